payload := map[string]interface{}{
    "wallet_id":          __WALLET_ID__,
    "payment_account_id": __ACCOUNT_ID__,
    "amount":             500.00,
    "currency":           "USD",
    "expires_at":         "__EXPIRES_AT__",
}
body, _ := json.Marshal(payload)

req, _ := http.NewRequest("POST",
    "__BASE_URL__/v1/sessions/payout",
    bytes.NewBuffer(body),
)
req.Header.Set("Authorization", "Bearer __TOKEN__")
req.Header.Set("Content-Type", "application/json")

client := &http.Client{}
resp, _ := client.Do(req)
defer resp.Body.Close()

data, _ := io.ReadAll(resp.Body)
fmt.Println(string(data))
