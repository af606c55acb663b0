"""The network that recognises emotions in conversations: autoencoders, gates, context. Knows no task and no loop."""
