$ch = curl_init("__BASE_URL__/v1/sessions/payout");
curl_setopt_array($ch, [
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_POST           => true,
    CURLOPT_HTTPHEADER     => [
        "Authorization: Bearer __TOKEN__",
        "Content-Type: application/json",
    ],
    CURLOPT_POSTFIELDS => json_encode([
        "wallet_id"          => __WALLET_ID__,
        "payment_account_id" => __ACCOUNT_ID__,
        "amount"             => 500.00,
        "currency"           => "USD",
        "expires_at"         => "__EXPIRES_AT__",
    ]),
]);
$session = json_decode(curl_exec($ch), true);
curl_close($ch);
echo "Session ID: " . $session["id"];
