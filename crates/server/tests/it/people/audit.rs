//! The audit: every decision of a person, an API key or the operator leaves its row, and nothing else
//! leaves one.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::AuditedCommand;
use domain::decision::command::Command;
use serde_json::Value;

use super::approvals::operators_key;
use super::*;
use crate::isolation;
use crate::payment_links;
use crate::support::shop::{GOOD, source_for};
use crate::support::{Reply, id, json, key, number, shown, soon, spawn_with, wait_for};

/// The commands that leave no row, whoever asks for them.
const NOT_AUDITED: [&str; 31] = [
    "ReservePasscodeChange",
    "ReservePasscodeAttempt",
    "FinishPasscodeAttempt",
    "PayLink",
    "CancelUnpaidOrder",
    "ExpireSession",
    "PayOnPage",
    "LeaveCardPage",
    "ClaimExecution",
    "ExpireApproval",
    "DeferSend",
    "RecordOutcome",
    "RecordDispute",
    "KeepUnmatchedCallback",
    "ClaimCheck",
    "RecordCheck",
    // What statements say, and what follows from one that was accepted.
    "ClaimReconciliation",
    "BeginStatement",
    "RecordLines",
    "RecordMissing",
    "EndStatement",
    "PostLines",
    "RecordBalances",
    "ChainBatches",
    "DeleteRetained",
    "FanOutMessages",
    "ClaimDeliveries",
    "RecordDeliveryAttempt",
    "ReserveLogin",
    "ReserveCode",
    "TouchLogin",
];

#[test]
fn each_command_is_audited_or_known_to_be_none_that_is() {
    let snake = |name: &str| {
        let mut text = String::new();
        for letter in name.chars() {
            if letter.is_ascii_uppercase() && !text.is_empty() {
                text.push('_');
            }
            text.push(letter.to_ascii_lowercase());
        }
        text
    };
    let audited = |name: &&&str| AuditedCommand::parse(&snake(name)).is_some();
    let (of_audit, others): (Vec<&&str>, Vec<&&str>) = Command::NAMES.iter().partition(audited);
    assert_eq!(others.into_iter().copied().collect::<Vec<_>>(), NOT_AUDITED);
    assert_eq!(of_audit.len(), AuditedCommand::ALL.len(), "a name that no command has");
}

const COLUMNS: &str = "id, (SELECT name FROM stored_codes WHERE type = 'audited_command' AND code = command), \
    (SELECT name FROM stored_codes WHERE type = 'actor_kind' AND code = actor_kind), coalesce(actor_id, 0), \
    coalesce(address, '-'), coalesce(request_id, 0), merchant_id, coalesce(changes, '')";

/// Looks for the rows that come.
struct Watch<'a> {
    server: &'a Server,
    seen: BTreeSet<String>,
}

impl<'a> Watch<'a> {
    fn new(server: &'a Server) -> Self {
        let mut watch = Self { server, seen: BTreeSet::new() };
        watch.new_rows();
        watch
    }

    fn new_rows(&mut self) -> Vec<Vec<String>> {
        let rows = self
            .server
            .database
            .rows(&format!("SELECT {COLUMNS} FROM audit ORDER BY created_at, id"));
        rows.into_iter().filter(|row| self.seen.insert(row[0].clone())).collect()
    }

    /// The commands that have left rows since the last look.
    fn commands(&mut self) -> Vec<String> {
        self.new_rows().into_iter().map(|row| row[1].clone()).collect()
    }
}

/// The bits of a request id, as they are stored.
#[track_caller]
fn request_bits(reply: &Reply) -> String {
    let text = reply.header("x-request-id").expect("a request id");
    u64::from_str_radix(text, 16).expect("sixteen digits").cast_signed().to_string()
}

/// Calls operations and looks for their rows.
struct Caller<'a> {
    watch: Watch<'a>,
    shop: &'a Merchant,
    key: String,
    called: Vec<(&'static str, String)>,
}

impl Caller<'_> {
    /// Fails unless the call leaves exactly this row, or none.
    #[track_caller]
    fn call(
        &mut self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
        command: Option<&str>,
    ) -> Value {
        self.watch.new_rows();
        let reply = self.shop.api.call(method, path, body.as_ref());
        self.called.push((method, path.to_owned()));
        let request = request_bits(&reply);
        let rows: Vec<Vec<String>> = self.watch.new_rows();
        let merchant = self.shop.credentials.merchant_id.to_string();
        let expected: Vec<Vec<String>> = command
            .map(|command| {
                [command, "API_KEY", &self.key, "127.0.0.1", &request, &merchant]
                    .map(str::to_owned)
                    .to_vec()
            })
            .into_iter()
            .collect();
        let found: Vec<Vec<String>> = rows.iter().map(|row| row[1..7].to_vec()).collect();
        assert_eq!(found, expected, "{method} {path}: {rows:?}");
        reply.ok()
    }

    #[track_caller]
    fn post(&mut self, path: &str, body: Value, command: &str) -> Value {
        self.call("POST", path, Some(body), Some(command))
    }
}

#[test]
fn every_operation_leaves_its_row() {
    let (server, shop) = spawn_with(&[("KOLA_LOG", "debug")]);
    server.fund(&shop, "USD", "500.00");
    let key_id = id(&shop.api.get("/v1/api-keys/list").rows()[0]);
    let mut caller =
        Caller { watch: Watch::new(&server), shop: &shop, key: key_id.to_string(), called: vec![] };
    let c = &mut caller;
    let party = id(&c.post(
        "/v1/parties/create",
        json!({"fullname": "Ama Kollie", "phone": GOOD}),
        "create_party",
    ));
    let update = format!("/v1/parties/update/{party}");
    let name =
        json!({"fullname": "Ama Kollie-Doe", "email": "ama@example.com", "country_code": "lr"});
    c.call("PUT", &update, Some(name.clone()), Some("update_party"));
    let of_party = "SELECT changes FROM audit WHERE command = {audited_command update_party}";
    let changed = server.database.value(of_party);
    assert_eq!(changed, "fullname\nemail\ncountry_code\t\t=LR", "no value of a contact is told");
    c.call("PUT", &update, Some(name), None);
    let customer = json!({"relationship_type": "CUSTOMER", "party_id": party});
    let counterparty = id(&c.post("/v1/counterparties/create", customer, "create_counterparty"));
    let update = format!("/v1/counterparties/update/{counterparty}");
    let donor = json!({"relationship_type": "DONOR"});
    c.call("PUT", &update, Some(donor.clone()), Some("update_counterparty"));
    c.call("PUT", &update, Some(donor), None);
    let account = |operation: &str, number: &str| {
        let body = json!({"account_name": "Ama", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR", "party_id": party,
            "insensitive_account_number": number});
        (format!("/v1/payment-accounts/create?operation_type={operation}"), body)
    };
    let (path, body) = account("COLLECTION", GOOD);
    let collects = id(&c.post(&path, body, "create_account"));
    let (path, body) = account("PAYOUT", GOOD);
    let pays = id(&c.post(&path, body, "create_account"));
    for (kind, named) in [("invoices", "INVOICE"), ("orders", "ORDER")] {
        let made = c.post(&format!("/v1/{kind}/create"), source_for(counterparty), "create_source");
        let source = id(&made);
        let note = json!({"note": "Beans"});
        let update = format!("/v1/{kind}/update/{source}");
        c.call("PUT", &update, Some(note.clone()), Some("update_source"));
        c.call("PUT", &update, Some(note), None);
        let one = json!({"name": "Beans", "currency": "USD", "qty": 1, "amount": 5});
        let add = format!("/v1/{kind}/{source}/items/add");
        let item = id(&c.post(&add, one.clone(), "add_item"));
        let more = format!("/v1/{kind}/{source}/items/{item}");
        let twice = Some(json!({"qty": 2}));
        c.call("PUT", &format!("{more}/update"), twice, Some("update_item"));
        c.call("DELETE", &format!("{more}/remove"), None, Some("remove_item"));
        c.post(&add, one, "add_item");
        let publish = format!("/v1/{kind}/publish/{source}");
        c.call("PUT", &publish, None, Some("publish_source"));
        let whole = shop.api.get(&format!("/v1/{kind}/retrieve/{source}")).ok();
        let number = shown(&whole, &format!("{}_number", kind.trim_end_matches('s')));
        let link = format!("/v1/links/pay?source_type={named}&source_number={number}");
        c.call("GET", &link, None, Some("open_checkout_page"));
        c.call("GET", &link, None, None);
        c.call("DELETE", &format!("/v1/{kind}/cancel/{source}"), None, Some("cancel_source"));
    }
    let checkout = json!({"mode": "HOSTED", "source_kind": "ORDER", "party_phone": GOOD, "currency": "USD",
        "items": [{"name": "x", "currency": "USD", "amount": 1}]});
    c.post("/v1/checkouts/create", checkout, "create_checkout");
    let link =
        id(&c.post("/v1/payment-links/create", payment_links::of_rice(), "create_payment_link"));
    let end = format!("/v1/payment-links/deactivate/{link}");
    c.call("POST", &end, None, Some("deactivate_payment_link"));
    c.call("POST", &end, None, None);

    // Payments: their rows name the object and its state.
    let of_invoice = |invoice: i64| json!({"source_id": invoice, "source_type": "INVOICE"});
    let invoice = shop.invoice("USD", "100.00");
    let session = id(&c.post("/v1/sessions/checkout", of_invoice(invoice), "create_session"));
    let reference = key();
    let collect = json!({"session_id": session, "payment_account_id": collects, "currency": "USD",
        "reference_id": reference});
    let paid = c.post("/v1/executions/collection", collect.clone(), "execute");
    // The same key again answers and decides nothing.
    c.call("POST", "/v1/executions/collection", Some(collect), None);
    let open = json!({"session_id": session, "source_type": "INVOICE", "reference_id": reference});
    shop.api.post("/v1/realtime-keys/collection", &open).ok();
    let wallet = shop.wallet("USD");
    let money = |fields: Value| {
        let mut body = json!({"amount": number("1.00"), "currency": "USD", "expires_at": soon()});
        let more = fields.as_object().expect("an object").clone();
        body.as_object_mut().expect("an object").extend(more);
        body
    };
    let payout = money(json!({"wallet_id": wallet, "payment_account_id": pays}));
    let transfer = money(json!({"from_wallet_id": wallet, "to_counterparty_id": counterparty}));
    let refund = json!({"original_payment_intent_id": paid["payment_intent_id"], "amount": number("1.00"),
        "expires_at": soon(), "reason": "Returned"});
    for (kind, body) in [("payout", payout.clone()), ("transfer", transfer), ("refund", refund)] {
        let session = id(&c.post(&format!("/v1/sessions/{kind}"), body, "create_session"));
        let run = json!({"session_id": session, "reference_id": key()});
        c.post(&format!("/v1/executions/{kind}"), run, "execute");
    }
    // Three payouts that wait for somebody else.
    let merchant = shop.credentials.merchant_id.to_string();
    let limits = ["merchant", "limits", "--merchant", &merchant, "--currency", "USD"];
    server.kola(&[&limits[..], &["--payment", "0", "--bind-api-keys", "true"]].concat()).ok();
    for _ in 0..3 {
        let session = id(&c.post("/v1/sessions/payout", payout.clone(), "create_session"));
        let run = json!({"session_id": session, "reference_id": key()});
        assert_eq!(c.post("/v1/executions/payout", run, "execute")["waiting_for"], "approval");
    }
    let waiting = shop.api.get("/v1/approvals/list").rows();
    let refuse = format!("/v1/approvals/refuse/{}", id(&waiting[0]));
    c.post(&refuse, json!({"note": "not ours"}), "refuse");
    c.call("POST", &refuse, None, None);
    let cancel = format!("/v1/payment-intents/cancel/{}", waiting[2]["payment_intent_id"]);
    c.call("POST", &cancel, None, Some("cancel_enqueued"));
    let finance = operators_key(&server, &shop, "FINANCE");
    c.watch.new_rows();
    let approve = format!("/v1/approvals/approve/{}", id(&waiting[1]));
    finance.api.post(&approve, &json!({})).ok();
    c.called.push(("POST", approve));
    let rows = c.watch.new_rows();
    let changes = "status\t=REQUESTED\t=APPROVED\nexecution_id\t\t=";
    assert!(
        rows.len() == 1 && rows[0][1] == "approve" && rows[0][7].starts_with(changes),
        "{rows:?}"
    );
    server.kola(&[&limits[..], &["--payment", "none"]].concat()).ok();
    let session = id(&c.post("/v1/sessions/payout", payout, "create_session"));
    let cancel = format!("/v1/sessions/payout/cancel/{session}");
    c.call("POST", &cancel, None, Some("cancel_session"));
    let number = Some("pm_card_authenticationRequired");
    let card = shop.account(party, "COLLECTION", "CREDIT_CARD", number);
    let taken = shop.take(card, "USD", "10.00");
    let waiting = shown(&taken, "reference_id");
    let authenticate = format!("/v1/sandbox/executions/{waiting}/authenticate");
    wait_for("the card's question", || {
        let now = shop.status("collection", &waiting);
        now["requires_action"]
            .as_bool()
            .filter(|asks| *asks)
            .map(|_| ())
            .or_else(|| (!now["waiting_for"].is_null()).then_some(()))
    });
    c.post(&authenticate, json!({"success": true}), "authenticate_card");
    // What was asked about a moment ago is not asked about again, and that leaves nothing.
    let check = format!("/v1/payment-intents/check/{}", taken["payment_intent_id"]);
    c.call("POST", &check, None, None);
    let retire = format!("/v1/payment-accounts/deactivate/{collects}");
    c.call("POST", &retire, None, Some("deactivate_account"));
    c.call("POST", &retire, None, None);

    let url = json!({"url": "http://127.0.0.1:9/?token=hush", "event_types": ["wallet.status"]});
    let endpoint = id(&c.post("/v1/webhook-endpoints/create", url, "create_webhook_endpoint"));
    let of = |what: &str| format!("/v1/webhook-endpoints/{what}/{endpoint}");
    c.post(&of("test"), json!({}), "test_webhook_endpoint");
    c.post(&of("rotate-secret"), json!({}), "rotate_webhook_secret");
    let list = format!("/v1/webhook-deliveries/list?endpoint_id={endpoint}");
    let delivery = wait_for("a failed delivery", || {
        shop.api.get(&list).rows().into_iter().find(|row| row["status"] == "FAILED")
    });
    let give_up =
        "UPDATE webhook_deliveries SET status = 'DEAD', next_attempt_at = NULL, is_under_way = 0";
    server.database.sql(give_up);
    let resend = format!("/v1/webhook-deliveries/resend/{}", id(&delivery));
    c.call("POST", &resend, None, Some("resend_deliveries"));
    let since = json!({"since": "2100-01-01T00:00:00Z"});
    c.call("POST", &of("recover"), Some(since), None);
    let off = Some(json!({"enabled": false}));
    c.call("PUT", &of("update"), off.clone(), Some("update_webhook_endpoint"));
    c.call("PUT", &of("update"), off, None);
    c.post(&of("delete"), json!({}), "delete_webhook_endpoint");

    let made = c.post("/v1/api-keys/create", json!({"role": "VIEWER"}), "create_api_key");
    let revoke = format!("/v1/api-keys/revoke/{}", id(&made));
    c.call("POST", &revoke, None, Some("revoke_api_key"));
    c.call("POST", &revoke, None, None);
    c.post("/v1/sandbox/clock/advance", json!({"seconds": 1}), "advance_clock");
    let set = "/v1/merchants/passcode/set";
    c.post(set, json!({"passcode": "482913"}), "replace_passcode");
    let remove = "/v1/merchants/passcode/remove";
    // A wrong one is refused.
    c.watch.new_rows();
    shop.api.post(remove, &json!({"current": "111111"})).refused_in_words(403);
    assert!(c.watch.commands().is_empty());
    c.post(remove, json!({"current": "482913"}), "replace_passcode");

    // These decide nothing.
    let none = ["/v1/jwt/client/obtain/token", "/v1/realtime-keys/collection"];
    let called = &caller.called;
    let missing: Vec<String> = isolation::routes()
        .into_iter()
        .filter(|(method, path)| method != "GET" && path.starts_with("/v1/"))
        .filter(|(_, path)| !none.contains(&path.as_str()))
        .filter(|(method, path)| {
            !called.iter().any(|(m, at)| m == method && isolation::is_of(path, at))
        })
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    assert!(missing.is_empty(), "not called: {missing:?}");
    let stored = format!("{:?}", server.database.rows("SELECT changes FROM audit"));
    for hidden in ["hush", "Kollie", GOOD, "482913", "argon2", "Beans are"] {
        assert!(!stored.contains(hidden), "{hidden} is in the audit");
    }
    server.verify_ledger();
}

#[test]
fn what_people_and_the_operator_do_leaves_rows() {
    let (server, shop) = open_with_key();
    let mut watch = Watch::new(&server);
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    assert_eq!(
        watch.commands(),
        [
            "invite",
            "accept_invitation",
            "finish_login",
            "set_up_second_factor",
            "confirm_second_factor"
        ]
    );
    let ama_id = id_of(&server, "ama@shop.example");
    let team = team(&shop);
    let page = ama.browser.post(&format!("{team}/invite"), &[("role", "FINANCE")]);
    let rows = watch.new_rows();
    let merchant = shop.credentials.merchant_id.to_string();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0][1..5], ["invite", "USER", ama_id.as_str(), "127.0.0.1"]);
    assert_eq!(
        (&rows[0][6], &rows[0][7]),
        (&merchant, &"role\t\t=FINANCE\ntakes_two\t\t=true".to_owned())
    );
    let id = server.database.value("SELECT id FROM invitations WHERE takes_two = 1");
    server.kola(&["user", "confirm", &id, "--merchant", &merchant]).ok();
    let rows = watch.new_rows();
    assert_eq!(rows[0][1..3], ["confirm_invitation", "OPERATOR"]);
    assert!(rows[0][7].starts_with("confirmed_at\t\t="), "{rows:?}");
    let link = path_of(text(&page));
    let kofi = Person::join(&server, &link, "kofi@shop.example");
    watch.new_rows();
    let kofi_id = id_of(&server, "kofi@shop.example");
    let of_kofi = format!("{team}/members/{kofi_id}");
    ama.browser.post(&of_kofi, &[("role", "SUPPORT")]);
    let rows = watch.new_rows();
    assert_eq!(rows[0][1..3], ["change_member", "USER"]);
    assert_eq!(rows[0][7], "role\t=FINANCE\t=SUPPORT");
    // Once more changes nothing.
    ama.browser.post(&of_kofi, &[("role", "SUPPORT")]);
    assert!(watch.commands().is_empty());
    for n in 0..2 {
        ama.browser.post(&format!("{team}/limits"), &[("currency", "USD"), ("amount", "50")]);
        let expected: &[&str] = if n == 0 { &["set_merchant_limits"] } else { &[] };
        assert_eq!(watch.commands(), expected);
    }
    // What is refused leaves nothing: the last owner cannot go, and a wrong password opens nothing.
    let own = format!("{team}/members/{ama_id}");
    assert_eq!(ama.browser.post(&own, &[("role", "REMOVE")]).status, 422);
    log_in(&mut Browser::new(&server), "ama@shop.example", "a wrong password");
    assert!(watch.commands().is_empty());
    let mut anew = ama.log_in_anew(&server);
    anew.give_code(&server);
    let rows = watch.new_rows();
    let told: Vec<&[String]> = rows.iter().map(|row| &row[1..4]).collect();
    let by = |command: &str| [command.to_owned(), "USER".to_owned(), ama_id.clone()];
    assert_eq!(told, [by("finish_login"), by("give_code")]);
    assert!(rows[1][7].contains("proof\t\t=code"), "{rows:?}");
    anew.browser.post("/app/logout", &[]);
    watch.new_rows();
    drop(kofi);
    // The operator's own commands.
    let wallet = shop.wallet("USD").to_string();
    for (arguments, command) in [
        (
            &["wallet", "status", "--wallet", &wallet, "--set", "FROZEN"][..],
            Some("set_wallet_status"),
        ),
        (&["wallet", "fund", "--wallet", &wallet, "--amount", "1.00"], None),
        (&["wallet", "status", "--wallet", &wallet, "--set", "ACTIVE"], Some("set_wallet_status")),
        (&["rates", "set", "USD", "LRD", "193"], Some("set_rate")),
        (&["user", "disable", "kofi@shop.example"], Some("disable_user")),
        (&["user", "disable", "kofi@shop.example"], None),
        (
            &["merchant", "set", "--merchant", &merchant, "--fee-bearer", "PAYEE"],
            Some("update_merchant"),
        ),
        (&["merchant", "set", "--merchant", &merchant, "--fee-bearer", "PAYEE"], None),
    ] {
        let run = server.kola(arguments);
        if !arguments.contains(&"fund") {
            run.ok();
        }
        let rows = watch.new_rows();
        let commands: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(commands, Vec::from_iter(command), "{arguments:?}");
        for row in &rows {
            assert_eq!(row[2..6], ["OPERATOR", "0", "-", "0"], "{arguments:?}");
        }
    }
    let changes =
        server.database.rows("SELECT changes FROM audit WHERE changes LIKE '%FROZEN%' ORDER BY id");
    assert_eq!(changes[0][0], "status\t=ACTIVE\t=FROZEN");
    let stored = format!("{:?}", server.database.rows("SELECT * FROM audit"));
    let secret = ama.secret.clone().expect("a secret");
    let cookie = ama.browser.cookies["kola_login"].clone();
    let token = link.rsplit('/').next().expect("a token").to_owned();
    for hidden in [PASSWORD, "argon2", "shop.example", "A Person", &secret, &cookie, &token] {
        assert!(!stored.contains(hidden), "{hidden} is in the audit");
    }
    server.verify_ledger();
}

/// The rows of a CSV, which has no line break in a cell here.
fn lines(reply: &Reply) -> Vec<String> {
    let text = reply.body.as_str().unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_merchant_reads_its_own_audit_and_only_that() {
    let (server, shop, other) = open_two();
    let party = shop.party();
    other.party();
    let wallet = shop.wallet("USD").to_string();
    server.kola(&["wallet", "status", "--wallet", &wallet, "--set", "FROZEN"]).ok();
    let rows = shop.api.get("/v1/audit/list").rows();
    let told: Vec<String> = rows.iter().map(|row| shown(row, "command")).collect();
    // The operator made the merchant, and froze its wallet.
    assert_eq!(told, ["set_wallet_status", "create_party", "create_merchant"]);
    assert_eq!(rows[0]["actor"], json!({"type": "OPERATOR", "id": null}));
    let changed =
        json!([{"field": "status", "before": "ACTIVE", "after": "FROZEN", "hidden": false}]);
    assert_eq!((&rows[0]["changes"], &rows[0]["address"]), (&changed, &Value::Null));
    assert_eq!((shown(&rows[1], "subject_type"), id(&rows[1]) > 0), ("PARTY".to_owned(), true));
    assert_eq!(rows[1]["subject_id"], party);
    assert_eq!(rows[1]["actor_name"], json!(shop.credentials.client_id));
    assert_eq!(
        rows[1]["changes"][0],
        json!({"field": "fullname", "before": null, "after": null, "hidden": true})
    );
    for (filter, count) in [
        ("actor_type=OPERATOR", 2),
        ("actor_type=API_KEY", 1),
        ("actor_type=USER", 0),
        ("command=create_party", 1),
        ("subject_type=WALLET", 1),
        ("from=2000-01-01", 3),
        ("until=2000-01-01", 0),
        ("from=2100-01-01", 0),
    ] {
        assert_eq!(
            shop.api.get(&format!("/v1/audit/list?{filter}")).rows().len(),
            count,
            "{filter}"
        );
        let csv = shop.api.get(&format!("/v1/audit/export?{filter}"));
        assert_eq!(lines(&csv).len(), count + 1, "{filter}: {csv:?}");
    }
    let of_party = format!("subject_type=PARTY&subject_id={party}");
    assert_eq!(shop.api.get(&format!("/v1/audit/list?{of_party}")).rows().len(), 1);
    assert!(other.api.get(&format!("/v1/audit/list?{of_party}")).rows().is_empty());
    let csv = shop.api.get("/v1/audit/export");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(lines(&csv)[1].contains("status: ACTIVE -> FROZEN"), "{csv:?}");
    // From page to page, as other lists.
    let first = shop.api.get("/v1/audit/list?limit=1");
    assert!(first.header("link").is_some_and(|link| link.contains("rel=\"next\"")));
    // Nobody changes or removes a row.
    for change in ["UPDATE audit SET entity_id = 1", "DELETE FROM audit"] {
        assert!(server.database.try_sql(change).is_err(), "{change}");
    }
    server.verify_ledger();
}

#[test]
fn who_may_reads_the_audit_on_a_page() {
    let (server, shop, other) = open_two();
    let path = |shop: &Merchant| format!("/app/audit/{}", shop.credentials.merchant_id);
    let mut people: BTreeMap<&str, Person> = BTreeMap::new();
    for role in ["OWNER", "FINANCE", "MANAGER", "SUPPORT", "DEVELOPER", "VIEWER"] {
        let email = format!("{}@shop.example", role.to_lowercase());
        people.insert(role, member(&server, &shop, role, &email));
    }
    let mut operator = Person::join(&server, &link(&server, &["--operator"]), "op@host.example");
    operator.set_up_codes(&server);
    // Somebody of the installation acts for the merchant.
    let invite = format!("{}/invite", team(&shop));
    assert_eq!(operator.browser.post(&invite, &[("role", "VIEWER")]).status, 200);
    let mut auditor = Person::join(&server, &link(&server, &["--auditor"]), "aud@host.example");
    for (role, person) in &mut people {
        let may = ["OWNER", "FINANCE", "MANAGER"].contains(role);
        for path in [path(&shop), format!("{}/csv", path(&shop))] {
            let reply = person.browser.get(&path);
            assert_eq!(
                reply.status,
                if may { 200 } else { 403 },
                "{role} {path}: {}",
                text(&reply)
            );
        }
        // Neither another merchant's nor the installation's, which are not there for them.
        for path in [
            path(&other),
            format!("{}/csv", path(&other)),
            "/app/audit".to_owned(),
            "/app/audit/csv".to_owned(),
            "/app/installation".to_owned(),
        ] {
            assert_eq!(person.browser.get(&path).status, 404, "{role} {path}");
        }
    }
    let owner = people.get_mut("OWNER").expect("an owner");
    let page = owner.browser.get(&path(&shop));
    for part in ["accept invitation", "the operator", "A Person", "127.0.0.1", "role: VIEWER"] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    let of_operator = owner.browser.get(&format!("{}/csv?actor=OPERATOR", path(&shop)));
    let rows = lines(&of_operator);
    assert_eq!(rows.len(), 9, "the merchant, six links and one of a person: {rows:?}");
    let id = id_of(&server, "op@host.example");
    assert!(
        rows.iter().all(|row| !row.contains("127.0.0.1") && !row.contains(&format!("USER,{id}")))
    );
    let nonsense = owner.browser.get(&format!("{}?from=yesterday", path(&shop)));
    assert_eq!(nonsense.status, 422, "{}", text(&nonsense));
    // Those of the installation see who it was, and auditors no whole names.
    let page = operator.browser.get(&format!("{}?command=invite", path(&shop)));
    assert!(text(&page).contains("A Person"), "{}", text(&page));
    assert_eq!(operator.browser.get("/app/audit").status, 200);
    let page = auditor.browser.get(&path(&shop));
    assert!(
        text(&page).contains("A. P.") && !text(&page).contains("A Person</bdi> –"),
        "{}",
        text(&page)
    );
    assert_eq!(auditor.browser.get("/app/audit/csv").status, 200);
    // The head of the books, a moment after the first of them.
    for person in [&mut operator, &mut auditor] {
        wait_for("the head of the chain", || {
            let page = person.browser.get("/app/installation");
            text(&page).contains("kola ledger verify --head ").then_some(())
        });
    }
    // At the command line the operator sees all.
    let merchant = shop.credentials.merchant_id.to_string();
    let all = server.kola(&["audit", "list", "--json", "--all"]).ok();
    let of_shop = server.kola(&["audit", "list", "--json", "--all", "--merchant", &merchant]).ok();
    let of_none = server.kola(&["audit", "list", "--json", "--all", "--installation"]).ok();
    let of_other = server
        .kola(&[
            "audit",
            "list",
            "--json",
            "--merchant",
            &other.credentials.merchant_id.to_string(),
        ])
        .ok();
    let count = |text: &str| {
        serde_json::from_str::<Value>(text).expect("JSON").as_array().expect("a list").len()
    };
    assert_eq!(count(&all), count(&of_shop) + count(&of_none) + count(&of_other));
    assert!(count(&of_shop) > 8 && count(&of_none) > 8 && count(&of_other) == 1);
    let csv = server.kola(&["audit", "list", "--csv", "--command", "create_merchant"]).ok();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    server.kola(&["audit", "list", "--command", "nonsense"]).refused();
}

/// What somebody calls themselves may begin like a formula.
#[test]
fn a_name_is_no_formula_in_the_csv() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    server.database.sql("UPDATE users SET name = '=1+1'");
    let path = format!("/app/audit/{}/csv", shop.credentials.merchant_id);
    let csv = ama.browser.get(&path);
    assert!(lines(&csv).iter().any(|line| line.contains(",'=1+1,")), "{csv:?}");
}
