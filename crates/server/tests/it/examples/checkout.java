import java.net.URI;
import java.net.http.*;
import java.net.http.HttpRequest.BodyPublishers;

HttpClient client = HttpClient.newHttpClient();

String body = """
    {
      "source_id":   __SOURCE_ID__,
      "source_type": "INVOICE"
    }
    """;

HttpRequest request = HttpRequest.newBuilder()
    .uri(URI.create("__BASE_URL__/v1/sessions/checkout"))
    .header("Authorization", "Bearer __TOKEN__")
    .header("Content-Type", "application/json")
    .POST(BodyPublishers.ofString(body))
    .build();

HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
System.out.println(response.body());
