$ch = curl_init("__BASE_URL__/v1/sessions/checkout");
curl_setopt_array($ch, [
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_POST           => true,
    CURLOPT_HTTPHEADER     => [
        "Authorization: Bearer __TOKEN__",
        "Content-Type: application/json",
    ],
    CURLOPT_POSTFIELDS => json_encode([
        "source_id"   => __SOURCE_ID__,
        "source_type" => "INVOICE",
    ]),
]);
$session = json_decode(curl_exec($ch), true);
curl_close($ch);
echo "Session ID: " . $session["id"];
