<?php
// Behind the portal: takes proxy tickets from it, and from nobody else.
require_once __DIR__ . '/client.inc';

sign_in('grades', CAS_VERSION_3_0);
phpCAS::allowProxyChain(new CAS_ProxyChain([getenv('IDP_APPLICATION') . '/portal.php']));
phpCAS::forceAuthentication();
say(who() + ['proxies' => phpCAS::getProxies()]);
