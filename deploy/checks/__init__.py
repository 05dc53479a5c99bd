"""What a machine can hold: findings about a network before it is deployed."""
