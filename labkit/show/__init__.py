"""Pictures, tables and controls. They take results, and never call AWS by themselves."""
