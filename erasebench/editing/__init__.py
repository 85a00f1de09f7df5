"""What every editor of cross-attention weights needs: token positions, text states, Gram sums, one shared solve."""
