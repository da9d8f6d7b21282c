"""The platform's parts, each a component resource with typed inputs and outputs."""
