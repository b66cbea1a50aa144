<?php
// CAS 3: everything behind sign-in, single logout taken; ?version=… picks an older protocol.
require_once __DIR__ . '/client.inc';

$version = $_GET['version'] ?? CAS_VERSION_3_0;
sign_in("application-$version", $version);
phpCAS::forceAuthentication();
say(who());
