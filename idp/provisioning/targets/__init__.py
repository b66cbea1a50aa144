"""One file per target system, named after its kind. It knows one wire format and no policy. `idp.app` finds them here.

A module here, or in another distribution under the entry point group `idp.targets`, has
    KIND                       its name in settings, runs and tables: "ldap"
    Settings                   its section `[targets.KIND]`, a `TargetSettings`
    open_target(settings, directory, secret) -> Target
                               `directory` is the `[directory]` section; `secret` reads a password file
`accounts` has neither settings nor anything to open: it is over our own store.
"""
