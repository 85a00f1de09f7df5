"""What methods that train share: the loop, partial sampling runs, noised images, and the U-Net that they tune."""
