const BASE_URL = "__BASE_URL__";
const TOKEN    = "__TOKEN__";

const response = await fetch(`${BASE_URL}/v1/sessions/checkout`, {
  method: "POST",
  headers: {
    Authorization:  `Bearer ${TOKEN}`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    source_id:   __SOURCE_ID__,
    source_type: "INVOICE",
  }),
});
const session = await response.json();
console.log("Session ID:", session.id);
