const response = await fetch(`${BASE_URL}/v1/sessions/payout`, {
  method: "POST",
  headers: {
    Authorization:  `Bearer ${TOKEN}`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    wallet_id:          __WALLET_ID__,
    payment_account_id: __ACCOUNT_ID__,
    amount:             500.00,
    currency:           "USD",
    expires_at:         "__EXPIRES_AT__",
  }),
});
const session = await response.json();
console.log("Payout Session ID:", session.id);
