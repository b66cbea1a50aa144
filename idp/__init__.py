"""From a student registry to working identities: provisioning, mail names, sign-in, portal, fees."""
