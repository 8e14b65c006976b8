// The four flows, played with the types that openapi-typescript makes of the document.
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { paths, components } from "./kola.js";

type Execution = components["schemas"]["ExecutionAnswer"];
interface Merchant {
  client_id: string;
  client_secret: string;
  wallets: { id: number; currency: string }[];
}

const baseUrl = process.env.KOLA_URL ?? "";
const merchant = JSON.parse(process.env.MERCHANT ?? "{}") as Merchant;
const phone = "231880000001";
const kola = createClient<paths>({ baseUrl });

function answered<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.url}: ${answer.response.status} ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

async function completed(ask: () => Promise<Execution>): Promise<Execution> {
  for (let tries = 0; tries < 600; tries += 1) {
    const execution = await ask();
    if (execution.status === "COMPLETED") return execution;
    if (execution.status === "FAILED") throw new Error(JSON.stringify(execution));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("an execution is not final after a minute");
}

const { client_id, client_secret } = merchant;
const token = answered(await kola.POST("/v1/jwt/client/obtain/token", { body: { client_id, client_secret } }));
kola.use({
  onRequest: ({ request }) => {
    request.headers.set("Authorization", `Bearer ${token.access_token}`);
    return request;
  },
});

const wallet = merchant.wallets.find((one) => one.currency === "USD")?.id ?? 0;
const party = answered(await kola.POST("/v1/parties/create", { body: { fullname: "Ama Kollie", phone } }));
const customer = answered(
  await kola.POST("/v1/counterparties/create", { body: { relationship_type: "CUSTOMER", party_id: party.id } }),
);
const account = async (operation_type: "COLLECTION" | "PAYOUT") =>
  answered(
    await kola.POST("/v1/payment-accounts/create", {
      params: { query: { operation_type } },
      body: {
        account_name: "Mobile",
        provider: "PAWAPAY",
        method: "MTN_MOMO_LBR",
        party_id: party.id,
        insensitive_account_number: phone,
      },
    }),
  );
const payer = await account("COLLECTION");
const payee = await account("PAYOUT");
const expires_at = new Date(Date.now() + 86_400_000).toISOString();

const checkout = answered(
  await kola.POST("/v1/checkouts/create", {
    body: {
      mode: "HOSTED",
      source_kind: "ORDER",
      party_phone: phone,
      currency: "USD",
      items: [{ name: "Coffee", currency: "USD", amount: 12.5 }],
    },
  }),
);
const checkoutSession = answered(
  await kola.POST("/v1/sessions/checkout", { body: { source_id: checkout.source_id, source_type: "ORDER" } }),
);
let reference_id: string = randomUUID();
answered(
  await kola.POST("/v1/executions/collection", {
    body: { session_id: checkoutSession.id, payment_account_id: payer.id, currency: "USD", reference_id },
  }),
);
const paid = await completed(async () =>
  answered(await kola.GET("/v1/status/collection/{reference_id}", { params: { path: { reference_id } } })),
);

const payout = answered(
  await kola.POST("/v1/sessions/payout", {
    body: { wallet_id: wallet, payment_account_id: payee.id, amount: 5, currency: "USD", expires_at },
  }),
);
reference_id = randomUUID();
answered(await kola.POST("/v1/executions/payout", { body: { session_id: payout.id, reference_id } }));
await completed(async () =>
  answered(await kola.GET("/v1/status/payout/{reference_id}", { params: { path: { reference_id } } })),
);

const transfer = answered(
  await kola.POST("/v1/sessions/transfer", {
    body: { from_wallet_id: wallet, to_counterparty_id: customer.id, amount: 2, currency: "USD", expires_at },
  }),
);
reference_id = randomUUID();
answered(await kola.POST("/v1/executions/transfer", { body: { session_id: transfer.id, reference_id } }));
await completed(async () =>
  answered(await kola.GET("/v1/status/transfer/{reference_id}", { params: { path: { reference_id } } })),
);

const refund = answered(
  await kola.POST("/v1/sessions/refund", {
    body: { original_payment_intent_id: paid.payment_intent_id, amount: 1.25, expires_at },
  }),
);
reference_id = randomUUID();
answered(await kola.POST("/v1/executions/refund", { body: { session_id: refund.id, reference_id } }));
await completed(async () =>
  answered(await kola.GET("/v1/status/refund/{reference_id}", { params: { path: { reference_id } } })),
);
console.log("4 flows");
