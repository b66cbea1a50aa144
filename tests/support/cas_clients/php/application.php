<?php
// Everything behind sign-in, single logout taken. ?version=… picks an older protocol; ?ask=gateway lets strangers in,
// too, and ?ask=renew wants the password in any case.
require_once __DIR__ . '/client.inc';

$version = $_GET['version'] ?? CAS_VERSION_3_0;
$ask = $_GET['ask'] ?? 'sign-in';
sign_in("$ask-$version", $version);
if ($ask === 'gateway' && !phpCAS::checkAuthentication()) {
    say(['user' => null]);
    exit;
}
$ask === 'renew' ? phpCAS::renewAuthentication() : phpCAS::forceAuthentication();
say(who());
