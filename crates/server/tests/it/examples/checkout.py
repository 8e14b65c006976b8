import requests

BASE_URL = "__BASE_URL__"
headers  = {"Authorization": "Bearer __TOKEN__", "Content-Type": "application/json"}

response = requests.post(
    f"{BASE_URL}/v1/sessions/checkout",
    headers=headers,
    json={
        "source_id":   __SOURCE_ID__,
        "source_type": "INVOICE",
    },
)
session = response.json()
print("Session ID:", session["id"])
print("Expires at:", session["expires_at"])
