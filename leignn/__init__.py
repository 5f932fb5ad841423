"""LEIGNN: lightweight equivariant interatomic potentials, and the benchmark they are judged by."""
