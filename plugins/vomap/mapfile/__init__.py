"""How a policy is written: YAML with positions, its schema, several files composed to one policy, its tests."""
