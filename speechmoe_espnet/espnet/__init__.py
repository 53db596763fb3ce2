"""ESPnet's training: task, model, tables of encoders, patches, checkpoints."""
