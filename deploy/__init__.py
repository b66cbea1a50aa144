"""How the service is put on machines; the demo and the private servers are packages, the rest are files to copy."""
