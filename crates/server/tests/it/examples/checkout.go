package main

import (
    "bytes"
    "encoding/json"
    "fmt"
    "io"
    "net/http"
)

func main() {
    payload := map[string]interface{}{
        "source_id":   __SOURCE_ID__,
        "source_type": "INVOICE",
    }
    body, _ := json.Marshal(payload)

    req, _ := http.NewRequest("POST",
        "__BASE_URL__/v1/sessions/checkout",
        bytes.NewBuffer(body),
    )
    req.Header.Set("Authorization", "Bearer __TOKEN__")
    req.Header.Set("Content-Type", "application/json")

    client := &http.Client{}
    resp, _ := client.Do(req)
    defer resp.Body.Close()

    data, _ := io.ReadAll(resp.Body)
    fmt.Println(string(data))
}
