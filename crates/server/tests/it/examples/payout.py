response = requests.post(
    f"{BASE_URL}/v1/sessions/payout",
    headers=headers,
    json={
        "wallet_id":          __WALLET_ID__,
        "payment_account_id": __ACCOUNT_ID__,
        "amount":             500.00,
        "currency":           "USD",
        "expires_at":         "__EXPIRES_AT__",
    },
)
session = response.json()
print("Payout Session ID:", session["id"])
