"""One file per target system, named after its kind: it knows one wire format and no policy. `idp.app` finds them here.

A module here has
    KIND                       its name in settings, runs and tables: "ldap"
    Settings                   its section `[targets.KIND]`
    open_target(settings, directory, secret) -> Target
                               `directory` is the `[directory]` section; `secret` reads a password file
`accounts` alone has neither settings nor anything to open: it is over our own store.
"""
