String body = """
    {
      "wallet_id":          __WALLET_ID__,
      "payment_account_id": __ACCOUNT_ID__,
      "amount":             500.00,
      "currency":           "USD",
      "expires_at":         "__EXPIRES_AT__"
    }
    """;

HttpRequest request = HttpRequest.newBuilder()
    .uri(URI.create("__BASE_URL__/v1/sessions/payout"))
    .header("Authorization", "Bearer __TOKEN__")
    .header("Content-Type", "application/json")
    .POST(BodyPublishers.ofString(body))
    .build();

HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
System.out.println(response.body());
