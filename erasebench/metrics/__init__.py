"""What several judges share: values with intervals, composites, the size of an edit."""
