//! The rows of one merchant, which another one must not reach.

use serde_json::Value;

use crate::payment_links;
use crate::support::shop::{GOOD, ending};
use crate::support::{Merchant, Server, id, json, key, shown, wait_for};

/// The ids of rows of every kind of one merchant.
pub(super) struct Estate {
    pub(super) merchant: i64,
    pub(super) party: i64,
    pub(super) counterparty: i64,
    pub(super) collection_account: i64,
    pub(super) payout_account: i64,
    pub(super) wallet: i64,
    pub(super) party_wallet: i64,
    pub(super) sources: [Source; 2],
    pub(super) sessions: Vec<(&'static str, i64)>,
    pub(super) references: Vec<(&'static str, String)>,
    pub(super) waiting: String,
    pub(super) intent: i64,
    pub(super) api_key: i64,
    pub(super) event: i64,
    pub(super) link: i64,
    pub(super) endpoint: i64,
    pub(super) delivery: i64,
    /// Of a payout that waits.
    pub(super) approval: i64,
    /// Of a collection that failed and was paid after all.
    pub(super) review: i64,
}

/// A draft, a published and a paid invoice or order.
pub(super) struct Source {
    pub(super) kind: &'static str,
    pub(super) draft: i64,
    pub(super) item: i64,
    pub(super) published: i64,
    pub(super) paid: i64,
    pub(super) paid_number: String,
}

impl Source {
    pub(super) fn build(shop: &Merchant, kind: &'static str, account: i64) -> Self {
        let source_type = if kind == "invoices" { "INVOICE" } else { "ORDER" };
        let draft = shop.draft(kind, "USD", "PAYER");
        let item = id(&shop.add_item(kind, draft, "USD", 1, "5.00"));
        let paid = shop.source(kind, "USD", "PAYER", "100.00");
        let body = json!({"source_id": paid, "source_type": source_type});
        let session = id(&shop.api.post("/v1/sessions/checkout", &body).ok());
        shop.collect(session, account, "USD", &key()).ok();
        let whole = shop.api.get(&format!("/v1/{kind}/retrieve/{paid}")).ok();
        let paid_number = shown(&whole, &format!("{}_number", kind.trim_end_matches('s')));
        Self {
            kind,
            draft,
            item,
            published: shop.source(kind, "USD", "PAYER", "5.00"),
            paid,
            paid_number,
        }
    }
}

impl Estate {
    pub(super) fn build(server: &Server, shop: &Merchant) -> Self {
        let (party, party_wallet) = shop.party_with_money("USD", "50.00");
        let counterparty = shop.counterparty(party);
        let collection_account = shop.account(party, "COLLECTION", "MTN_MOMO_LBR", Some(GOOD));
        let payout_account = shop.account(party, "PAYOUT", "MTN_MOMO_LBR", Some(GOOD));
        let card = shop.account(
            party,
            "COLLECTION",
            "CREDIT_CARD",
            Some("pm_card_authenticationRequired"),
        );
        let sources =
            ["invoices", "orders"].map(|kind| Source::build(shop, kind, collection_account));
        let paid = shop.take(collection_account, "USD", "100.00");
        let done = [
            ("collection", paid.clone()),
            ("payout", shop.send(payout_account, "USD", "5.00")),
            ("transfer", shop.transfer(counterparty, "USD", "5.00")),
            ("refund", shop.refund(&paid, "5.00")),
        ];
        let sessions = vec![
            ("checkout", shop.checkout(sources[0].published)),
            ("payout", id(&shop.open_payout(payout_account, "USD", "5.00").ok())),
            ("transfer", id(&shop.open_transfer(counterparty, "USD", "5.00").ok())),
            ("refund", id(&shop.open_refund(&paid["payment_intent_id"], "5.00").ok())),
        ];
        let merchant = shop.credentials.merchant_id.to_string();
        let limits = ["merchant", "limits", "--merchant", &merchant, "--currency", "USD"];
        server.kola(&[&limits[..], &["--payment", "0", "--bind-api-keys", "true"]].concat()).ok();
        assert_eq!(shop.send(payout_account, "USD", "5.00")["waiting_for"], "approval");
        server.kola(&[&limits[..], &["--payment", "none"]].concat()).ok();
        let (endpoint, delivery) = shop.told();
        shop.take(shop.momo("COLLECTION", &ending("179")), "USD", "7.00");
        let open = || shop.api.get("/v1/reviews/list?status=OPEN").rows().pop();
        let review = id(&wait_for("the review", open));
        Self {
            merchant: shop.credentials.merchant_id,
            party,
            counterparty,
            collection_account,
            payout_account,
            wallet: shop.wallet("USD"),
            party_wallet,
            sources,
            sessions,
            references: done
                .iter()
                .map(|(kind, done)| (*kind, shown(done, "reference_id")))
                .collect(),
            waiting: shown(&shop.take(card, "USD", "10.00"), "reference_id"),
            intent: paid["payment_intent_id"].as_i64().expect("an id"),
            link: payment_links::rice(shop),
            endpoint,
            delivery,
            review,
            approval: id(&shop.api.get("/v1/approvals/list").rows()[0]),
            event: id(&shop.api.get("/v1/events/list").rows()[0]),
            api_key: id(&shop.api.get("/v1/api-keys/list").rows()[0]),
        }
    }

    pub(super) fn session(&self, kind: &str) -> i64 {
        self.sessions.iter().find(|(k, _)| *k == kind).expect("a session").1
    }

    /// Everything that its owner can see of it, without the times of the next checks: jobs change
    /// those meanwhile.
    pub(super) fn view(&self, shop: &Merchant) -> Vec<(String, Value)> {
        let mut paths: Vec<String> = [
            "parties",
            "counterparties",
            "invoices",
            "orders",
            "wallets",
            "payment-accounts",
            "payment-links",
            "webhook-endpoints",
            "api-keys",
            "approvals",
            "events",
            "payment-intents",
            "sessions/checkout",
            "sessions/payout",
            "sessions/transfer",
            "sessions/refund",
        ]
        .map(|what| format!("/v1/{what}/list"))
        .into();
        paths.extend(
            self.references
                .iter()
                .map(|(kind, reference)| format!("/v1/status/{kind}/{reference}")),
        );
        paths.push(format!("/v1/status/collection/{}", self.waiting));
        paths.push(format!("/v1/payment-links/retrieve/{}", self.link));
        paths.push(format!("/v1/counterparties/retrieve/{}", self.counterparty));
        for source in &self.sources {
            paths.extend(
                [source.draft, source.published, source.paid]
                    .map(|n| format!("/v1/{}/retrieve/{n}", source.kind)),
            );
        }
        for wallet in [self.wallet, self.party_wallet] {
            paths.push(format!("/v1/wallets/retrieve/{wallet}"));
            paths.push(format!("/v1/wallets/{wallet}/entries"));
        }
        let look = |path: String| {
            let mut answer = shop.api.get(&path).ok();
            forget_next_checks(&mut answer);
            (path, answer)
        };
        paths.into_iter().map(look).collect()
    }
}

fn forget_next_checks(answer: &mut Value) {
    match answer {
        Value::Array(rows) => rows.iter_mut().for_each(forget_next_checks),
        Value::Object(fields) => {
            fields.remove("next_check_at");
            fields.values_mut().for_each(forget_next_checks);
        }
        _ => {}
    }
}

/// The stranger's own rows, which its requests also need.
pub(super) struct Own {
    pub(super) counterparty: i64,
    pub(super) wallet: i64,
    pub(super) collection_account: i64,
    pub(super) payout_account: i64,
    pub(super) checkout: i64,
    pub(super) payout: i64,
}

impl Own {
    pub(super) fn build(shop: &Merchant) -> Self {
        let payout_account = shop.momo("PAYOUT", GOOD);
        Self {
            counterparty: shop.customer(),
            wallet: shop.wallet("USD"),
            collection_account: shop.momo("COLLECTION", GOOD),
            payout_account,
            checkout: shop.checkout(shop.invoice("USD", "5.00")),
            payout: id(&shop.open_payout(payout_account, "USD", "5.00").ok()),
        }
    }
}
