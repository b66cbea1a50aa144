<?php
// A proxy: signs its user in and fetches another application's page in the user's name.
require_once __DIR__ . '/client.inc';

sign_in('portal', CAS_VERSION_3_0, true);
phpCAS::setPGTStorageFile(getenv('IDP_PGT_FOLDER'));
phpCAS::forceAuthentication();
$page = phpCAS::getProxiedService(PHPCAS_PROXIED_SERVICE_HTTP_GET);
$page->setUrl(getenv('IDP_APPLICATION') . '/grades.php');
$page->send();
say(who() + ['fetched' => json_decode($page->getResponseBody(), true)]);
