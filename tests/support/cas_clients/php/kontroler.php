<?php
// The addresses of USOSweb: one controller, its action in the query, and where to go on in a signed `callback` that is
// another one at each request. `locale` stands outside the service.
require_once __DIR__ . '/client.inc';

$action = $_GET['_action'] ?? 'home/index';
$home = getenv('IDP_APPLICATION') . '/kontroler.php?_action=home/index';
if ($action === 'home/index') {
    session_name('php-usosweb');
    session_start();
    if (!isset($_SESSION['phpCAS']['user'])) {
        $on = $home . '&t=' . bin2hex(random_bytes(4));
        $callback = base64_encode($on) . '_' . hash_hmac('sha256', $on, 'secret');
        header('Location: ?_action=logowaniecas/index&callback=' . urlencode($callback));
        exit;
    }
    say(['user' => $_SESSION['phpCAS']['user'], 'attributes' => $_SESSION['phpCAS']['attributes']]);
    exit;
}
sign_in('usosweb', CAS_VERSION_3_0);
if ($action === 'logowaniecas/wyloguj') {
    phpCAS::logoutWithRedirectService($home);
}
phpCAS::setServerLoginURL(phpCAS::getServerLoginURL() . '&locale=pl');
phpCAS::forceAuthentication();
[$on] = explode('_', $_GET['callback']);
header('Location: ' . base64_decode($on));
