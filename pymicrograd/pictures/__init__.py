"""Pictures: of graphs of Values, of a training run."""
