//! Disputes of card payments (scenario 24, second half).

use serde_json::{Value, json};

use super::contradictions::receipt_of;
use super::stage::Stage;
use crate::people::person::{Person, between, leads, text};
use crate::people::{link, to_merchant};
use crate::support::papers::without_spaces;
use crate::support::{Merchant, id, key, shown, wait_for};

impl Stage {
    /// A completed card payment that is disputed now, with the id of the dispute.
    #[track_caller]
    fn disputed(&self) -> (Value, Value) {
        let paid = self.charge("pm_card_visa");
        let paid = self.becomes("collection", &paid, "COMPLETED");
        let intent = paid["provider_transaction_id"].clone();
        let opened = self.control("/stripe/disputes", &json!({"payment_intent": intent}));
        wait_for("the review", || (self.open_reviews() == ["DISPUTE"]).then_some(()));
        self.fakes.flush_on_threads();
        (paid, opened["dispute"].clone())
    }

    #[track_caller]
    fn change_dispute(&self, dispute: &Value, status: &str) {
        self.control("/stripe/disputes", &json!({"dispute": dispute, "status": status}));
        self.fakes.flush_on_threads();
    }

    /// The open reviews as an operator sees them.
    #[track_caller]
    fn listed_reviews(&self) -> Vec<Value> {
        let listed = self.server.kola(&["review", "list", "--json"]).ok();
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        listed.as_array().expect("a list").clone()
    }
}

#[test]
fn a_dispute_is_a_review_with_the_money_in_suspense_until_it_is_won() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let paid = stage.charge("pm_card_visa");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    // A refund that is declared before the dispute.
    let declared = id(&shop.open_refund(&paid["payment_intent_id"], "10.00").ok());
    let intent = paid["provider_transaction_id"].clone();
    let opened = stage.control("/stripe/disputes", &json!({"payment_intent": intent}));
    let dispute = opened["dispute"].clone();
    wait_for("the review", || {
        stage.listed_reviews().first().is_some_and(|one| one["amount"] == "-104.20").then_some(())
    });
    let review = stage.listed_reviews().remove(0);
    assert_eq!(review["kind"], "DISPUTE");
    let reason = shown(&review, "reason");
    for part in [
        "104.20 USD",
        "not to have made the payment",
        "answer by 20",
        &format!("https://dashboard.stripe.com/test/disputes/{}", shown(&opened, "dispute")),
    ] {
        assert!(reason.contains(part), "no {part:?} in {reason}");
    }
    stage.assert_books_equal();
    // Nothing is refunded meanwhile.
    let refused = shop.open_refund(&paid["payment_intent_id"], "10.00");
    assert_eq!(refused.status, 422, "{refused:?}");
    let refused = shop.execute("refund", declared, &key());
    assert_eq!(refused.status, 422, "{refused:?}");
    stage.change_dispute(&dispute, "under_review");
    assert!(shown(&stage.listed_reviews()[0], "reason").contains("looks at the answer"));
    stage.change_dispute(&dispute, "won");
    assert!(stage.listed_reviews().is_empty());
    stage.assert_books_equal();
    let back = shop.execute("refund", declared, &key()).ok();
    stage.becomes("refund", &back, "COMPLETED");
    stage.assert_books_equal();
}

#[test]
fn a_lost_dispute_is_borne_by_the_merchant_when_an_operator_says_so() {
    let stage = Stage::open();
    let shop = &stage.shop;
    // Of another payment the wallet has money for what is lost with the fees.
    stage.becomes("collection", &stage.charge("pm_card_visa"), "COMPLETED");
    let (paid, dispute) = stage.disputed();
    shop.assert_balance("USD", "200.00", "0.00");
    stage.change_dispute(&dispute, "lost");
    let review = stage.listed_reviews().remove(0);
    assert!(shown(&review, "reason").contains("lost"), "{review}");
    assert_eq!(review["amount"], "-104.20");
    stage.assert_books_equal();
    let number = review["id"].to_string();
    let resolve = ["review", "resolve", &number, "--to", "wallet", "--evidence", "Stripe: lost"];
    stage.server.kola(&resolve).ok();
    shop.assert_balance("USD", "95.80", "0.00");
    assert_eq!(stage.now("collection", &paid)["status"], "COMPLETED");
    assert_eq!(shop.open_refund(&paid["payment_intent_id"], "1.00").status, 422);
    stage.assert_books_equal();
    // The bank changes its mind: what came back is for the operator, too.
    stage.change_dispute(&dispute, "won");
    let review = stage.listed_reviews().remove(0);
    assert_eq!(review["amount"], "104.20");
    stage.assert_books_equal();
    let number = review["id"].to_string();
    let resolve = ["review", "resolve", &number, "--to", "wallet", "--evidence", "Stripe: won"];
    stage.server.kola(&resolve).ok();
    shop.assert_balance("USD", "200.00", "0.00");
    stage.assert_books_equal();
}

#[test]
fn news_of_a_dispute_come_in_any_order_and_many_times() {
    let stage = Stage::open();
    let (_, dispute) = stage.disputed();
    stage.change_dispute(&dispute, "won");
    let sent = stage.fakes.look("/deliveries").expect("deliveries");
    let of_dispute = |one: &&Value| shown(one, "event").starts_with("charge.dispute.");
    let mut events: Vec<String> = sent["stripe"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(of_dispute)
        .map(|one| shown(one, "subject"))
        .collect();
    events.reverse();
    assert_eq!(events.len(), 4, "{events:?}");
    for event in events {
        stage.control("/stripe/events", &json!({"event": event, "copies": 20}));
        stage.fakes.flush_on_threads();
        assert!(stage.listed_reviews().is_empty());
        stage.assert_books_equal();
    }
}

/// Money of a refund that failed after all, of a payment that is disputed: two reviews, one payment.
#[test]
fn what_stripe_says_of_refunds_is_heard_while_the_payment_is_disputed() {
    let stage = Stage::open();
    let paid = stage.charge("pm_card_visa");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    stage.fault(&json!({"network": "STRIPE", "kind": "STUCK", "match": {"path": "/v1/refunds"}}));
    let back = stage.shop.refund(&paid, "30.00");
    let intent = paid["provider_transaction_id"].clone();
    let part = json!({"payment_intent": intent, "amount": 7_420});
    let dispute = stage.control("/stripe/disputes", &part)["dispute"].clone();
    wait_for("the review", || (stage.open_reviews() == ["DISPUTE"]).then_some(()));
    let refund = stage.at_stripe("refunds")[0]["id"].clone();
    stage.control("/stripe/refunds", &json!({"refund": refund, "status": "succeeded"}));
    stage.becomes("refund", &back, "COMPLETED");
    stage.assert_books_equal();
    let failed = json!({"refund": refund, "status": "failed", "failure_reason": "declined"});
    stage.control("/stripe/refunds", &failed);
    wait_for("both", || {
        (stage.open_reviews() == ["DISPUTE", "FAILURE_AFTER_SUCCESS"]).then_some(())
    });
    stage.change_dispute(&dispute, "won");
    assert_eq!(stage.open_reviews(), ["FAILURE_AFTER_SUCCESS"]);
    stage.assert_books_equal();
}

#[test]
fn a_dispute_of_a_payment_that_is_not_ours_changes_nothing() {
    let stage = Stage::open();
    let (_, dispute) = stage.disputed();
    stage.change_dispute(&dispute, "won");
    let sent = stage.fakes.look("/deliveries").expect("deliveries");
    let all = sent["stripe"].as_array().expect("a list");
    let created = all.iter().find(|one| one["event"] == "charge.dispute.created").expect("it");
    // Soon after the event the payment may not be booked yet, so Stripe has to send it again.
    let hour_ago = stage.fakes.now() / 1_000 - 3_600;
    for (made_at, answer) in [(stage.fakes.now() / 1_000, 503), (hour_ago, 200)] {
        let before = all.len();
        stage.control(
            "/stripe/events",
            &json!({"event": created["subject"], "set": {"created": made_at},
                "set_object": {"payment_intent": "pi_of_somebody_else"}}),
        );
        stage.fakes.flush_on_threads();
        let sent = stage.fakes.look("/deliveries").expect("deliveries");
        let answers = sent["stripe"].as_array().expect("a list")[before..].to_vec();
        assert!(answers.last().is_some_and(|one| one["answer"] == answer), "{answers:?}");
    }
    assert!(stage.open_reviews().is_empty());
    stage.assert_books_equal();
}

/// A card payment that is disputed, which can be answered for so many hours.
impl Stage {
    #[track_caller]
    fn disputed_for(&self, hours: i64) -> (Value, Value) {
        let paid = self.charge("pm_card_visa");
        let paid = self.becomes("collection", &paid, "COMPLETED");
        let intent = paid["provider_transaction_id"].clone();
        let asked = json!({"payment_intent": intent, "due_in_hours": hours, "reason": "product_not_received"});
        let opened = self.control("/stripe/disputes", &asked);
        self.fakes.flush_on_threads();
        (paid, opened["dispute"].clone())
    }

    /// Somebody who runs the installation.
    #[track_caller]
    fn of_installation(&self, role: &str) -> Person {
        let link = link(&self.server, &[&format!("--{role}")]);
        let mut person = Person::join(&self.server, &link, &format!("{role}@host.example"));
        person.set_up_codes(&self.server);
        person
    }

    #[track_caller]
    fn of_shop(&self, role: &str) -> Person {
        let link = to_merchant(&self.server, &self.shop, role);
        let mut person = Person::join(&self.server, &link, &format!("{role}@shop.example"));
        if role == "FINANCE" {
            person.set_up_codes(&self.server);
        }
        person
    }

    /// A number of the metrics.
    #[track_caller]
    fn metric(&self, name: &str) -> f64 {
        let metrics = self.server.metrics().get("/metrics");
        let metrics = metrics.body.as_str().expect("a text");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {metrics}"))
    }
}

fn of(shop: &Merchant, path: &str) -> String {
    format!("/app/{path}/{}", shop.credentials.merchant_id)
}

#[test]
fn disputes_are_listed_by_the_day_until_which_they_can_be_answered() {
    let stage = Stage::open_with(&[("KOLA_METRICS", "127.0.0.1:0")]);
    let shop = &stage.shop;
    let (_, late) = stage.disputed_for(300);
    let (_, soon) = stage.disputed_for(75);
    let in_order = |arguments: &[&str]| -> Vec<Value> {
        let listed = stage.server.kola(arguments).ok();
        serde_json::from_str::<Value>(&listed).expect("JSON").as_array().expect("a list").clone()
    };
    wait_for("both", || (stage.listed_reviews().len() == 2).then_some(()));
    let oldest_first = in_order(&["review", "list", "--json"]);
    let due_first = in_order(&["review", "list", "--disputes", "--json"]);
    assert_eq!(due_first, [oldest_first[1].clone(), oldest_first[0].clone()]);
    for (name, value) in [
        ("dispute_status", "needs_response"),
        ("dispute_reason", "product_not_received"),
        ("dispute_amount", "104.20"),
    ] {
        assert_eq!(due_first[0][name], value, "{due_first:?}");
    }
    let due = shown(&due_first[0], "dispute_due_at");
    assert!(stage.server.kola(&["review", "list"]).ok().contains(&due[..10]), "{due}");
    // What a merchant's programs read.
    let answered = shop.api.get("/v1/reviews/list?kind=DISPUTE").rows();
    let of_api = answered.iter().find(|one| one["id"] == due_first[0]["id"]).expect("it");
    assert_eq!(shown(of_api, "dispute_due_at")[..19], due[..19]);
    assert_eq!(of_api["dispute_amount"].to_string(), "104.20");
    assert_eq!(of_api["dispute_evidence_count"], 0);
    // On the pages of those who may read reviews.
    let (mut operator, mut support) = (stage.of_installation("operator"), stage.of_shop("SUPPORT"));
    let list = of(shop, "disputes");
    let link = |review: &Value| format!("{}/{}", of(shop, "reviews"), id(review));
    let pages = [operator.browser.get("/app/disputes"), support.browser.get(&list)];
    for page in &pages {
        let page = text(page);
        let places = due_first.iter().map(|one| page.find(&link(one)).expect("its link"));
        let places: Vec<usize> = places.collect();
        assert!(places.is_sorted(), "{page}");
        // The day of the fakes is the day of the server, give or take the time that a test takes.
        assert!(page.contains("due in 3 days") && page.contains("due in 12 days"), "{page}");
        for part in ["104.20 USD", "product not received", "needs response", "no evidence noted"] {
            assert!(page.contains(part), "no {part}: {page}");
        }
    }
    assert!(text(&pages[0]).contains("Test Shop") && text(&pages[1]).contains("/app/disputes/"));
    let mut viewer = stage.of_shop("VIEWER");
    assert_eq!(viewer.browser.get(&list).status, 403);
    assert_eq!(viewer.browser.get(&format!("{list}/csv")).status, 403);
    assert_eq!(support.browser.get("/app/disputes").status, 404);
    assert_eq!(support.browser.get("/app/disputes/csv").status, 404);
    let csv = text(&support.browser.get(&format!("{list}/csv"))).to_owned();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.contains("product_not_received,104.20,USD,-104.20,"), "{csv}");
    assert_eq!(text(&operator.browser.get("/app/disputes/csv")), csv);
    let next = stage.metric("kola_dispute_next_due_timestamp_seconds");
    let seconds = stage.server.database.value("SELECT min(dispute_due_at) / 1000000 FROM reviews");
    assert_eq!(format!("{next:.0}"), seconds);
    assert_eq!(stage.metric("kola_disputes_open"), 2.0);
    // What is answered is not due any more; what is won is closed.
    stage.change_dispute(&soon, "under_review");
    stage.change_dispute(&late, "won");
    let left = in_order(&["review", "list", "--disputes", "--json"]);
    assert_eq!((left.len(), &left[0]["dispute_due_at"]), (1, &Value::Null), "{left:?}");
    let page = text(&operator.browser.get("/app/disputes")).to_owned();
    let (open, closed) = page.split_once("<h2>Closed</h2>").expect("both parts");
    assert!(open.contains("no answer is due") && open.contains("under review"), "{open}");
    assert!(closed.contains("Resolved: won") && !closed.contains("due in"), "{closed}");
    stage.assert_books_equal();
}

#[test]
fn evidence_is_noted_by_both_sides_and_shown_with_who_and_when() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let (_, dispute) = stage.disputed_for(75);
    wait_for("the review", || (stage.open_reviews() == ["DISPUTE"]).then_some(()));
    let review = stage.listed_reviews().remove(0);
    let page = format!("{}/{}", of(shop, "reviews"), id(&review));
    let number = review["id"].to_string();
    let said = stage.server.kola(&["review", "note", &number, "--evidence", "signed by Ama"]).ok();
    assert!(said.contains("nothing was sent") && said.contains("dashboard.stripe.com"), "{said}");
    let long = "x".repeat(4_001);
    let refused = stage.server.kola(&["review", "note", &number, "--evidence", &long]);
    assert!(refused.refused().contains("longer than 4000"), "not refused");
    // The merchant's finance adds what it knows, in two lines; a form that is sent twice notes it once.
    let mut finance = stage.of_shop("FINANCE");
    let path = format!("{page}/evidence");
    let fields = [("count", "1"), ("note", "Parcel 7\r\n<b>left</b> on Monday")];
    for _ in 0..2 {
        let done = finance.browser.post(&path, &fields);
        assert_eq!(leads(&done), format!("{page}#evidence-noted"), "{}", text(&done));
    }
    let wrong = finance.browser.post(&path, &[("count", "2"), ("note", &long)]);
    assert_eq!(wrong.status, 422);
    assert!(text(&wrong).contains("at most 4,000 characters") && text(&wrong).contains(&long));
    let found = text(&finance.browser.get(&page)).to_owned();
    let notes = between(&found, "Evidence that was noted", "</ol>");
    for part in ["the operator", "signed by Ama", "Parcel 7\n&lt;b&gt;left&lt;/b&gt; on Monday"] {
        let part = part.replace("&lt;", "&#60;").replace("&gt;", "&#62;");
        assert!(notes.contains(&part), "no {part}: {notes}");
    }
    assert_eq!(notes.matches("<time").count(), 2, "{notes}");
    assert!(found.contains("https://dashboard.stripe.com/test/disputes/"), "{found}");
    assert!(found.contains("Nothing is sent to the network"), "{found}");
    let list = text(&finance.browser.get(&of(shop, "disputes"))).to_owned();
    assert!(list.contains("2 pieces of evidence"), "{list}");
    // Who may not see contacts sees that there is evidence, and notes none.
    let mut auditor = stage.of_installation("auditor");
    let seen = text(&auditor.browser.get(&page)).to_owned();
    assert!(seen.contains("2 noted.") && !seen.contains("signed by Ama"), "{seen}");
    assert!(!seen.contains("name=\"note\""), "{seen}");
    assert_eq!(auditor.browser.post(&path, &fields).status, 403);
    // It is in the timeline, without its text, and in the audit.
    let events = shop.api.get("/v1/events/list?limit=100").rows();
    let noted = events.iter().filter(|event| event["type"] == "review.evidence_noted");
    let noted: Vec<&Value> = noted.collect();
    assert_eq!(noted.len(), 2, "{events:?}");
    assert!(noted.iter().all(|event| event["note"].is_null()), "{noted:?}");
    let audit = stage.server.kola(&["audit", "list", "--command", "note_evidence", "--json"]).ok();
    assert!(audit.contains("dispute_notes") && !audit.contains("signed by Ama"), "{audit}");
    // Nothing is noted any more once it is over.
    stage.change_dispute(&dispute, "won");
    assert!(stage.open_reviews().is_empty());
    let late = finance.browser.post(&path, &[("count", "2"), ("note", "too late")]);
    assert_eq!(late.status, 422, "{}", text(&late));
    assert!(text(&late).contains("takes no evidence"), "{}", text(&late));
    let refused = stage.server.kola(&["review", "note", &number, "--evidence", "too late"]);
    assert!(refused.refused().contains("takes no evidence"));
    stage.assert_books_equal();
}

#[test]
fn a_lost_dispute_is_resolved_on_its_page_after_a_preview() {
    let stage = Stage::open();
    let shop = &stage.shop;
    stage.becomes("collection", &stage.charge("pm_card_visa"), "COMPLETED");
    let (_, dispute) = stage.disputed_for(75);
    wait_for("the money", || {
        stage.listed_reviews().first().is_some_and(|one| one["amount"] == "-104.20").then_some(())
    });
    let mut operator = stage.of_installation("operator");
    let review = stage.listed_reviews().remove(0);
    let page = format!("{}/{}", of(shop, "reviews"), id(&review));
    let asks = text(&operator.browser.get(&page)).to_owned();
    assert!(asks.contains("It waits for an answer") && asks.contains("due in 3 days"), "{asks}");
    assert!(asks.contains("The network has taken the money."), "{asks}");
    stage.change_dispute(&dispute, "lost");
    let lost = text(&operator.browser.get(&page)).to_owned();
    assert!(lost.contains("The bank has decided for the payer."), "{lost}");
    let asked = operator.browser.post(&format!("{page}/preview"), &[("how", "wallet")]);
    let preview = text(&asked).to_owned();
    assert!(preview.contains("What will be posted"), "{preview}");
    let figures = between(&preview, "name=\"figures\" value=\"", "\"").to_owned();
    let fields = [("how", "wallet"), ("figures", figures.as_str()), ("evidence", "Stripe: lost")];
    let done = operator.browser.post(&format!("{page}/resolve"), &fields);
    assert_eq!(leads(&done), page, "{}", text(&done));
    shop.assert_balance("USD", "95.80", "0.00");
    let closed = text(&operator.browser.get("/app/disputes")).to_owned();
    assert!(closed.contains("Resolved: to wallet") && closed.contains("lost"), "{closed}");
    stage.assert_books_equal();
}

/// What a payer reads while the bank has the money, and what others learn who have the receipt.
#[test]
fn a_payer_reads_that_the_bank_has_taken_the_payment_back() {
    let stage = Stage::open();
    let shop = &stage.shop;
    stage.becomes("collection", &stage.charge("pm_card_visa"), "COMPLETED");
    let paid = stage.becomes("collection", &stage.charge("pm_card_visa"), "COMPLETED");
    let intent = format!("/v1/payment-intents/retrieve/{}", shown(&paid, "payment_intent_id"));
    let invoice = id_in(&shop.api.get(&intent).ok(), "source_id");
    let (pay, receipt) = (shop.link("pay", invoice), shop.link("receipt", invoice));
    let code = between(&stage.server.paper(&receipt).text(), "class=\"code\">", "<").to_owned();
    let look = || {
        let (page, paper) = (stage.server.paper(&pay), stage.server.paper(&receipt));
        let pdf = stage.server.paper(&format!("{receipt}.pdf")).pdf_words();
        let verified = stage.server.check_receipt("203.0.113.7", &code, "104.20").words();
        (page.words(), paper.words(), pdf, verified, receipt_of(&stage, &paid))
    };
    let stands = || {
        let (page, paper, _, verified, api) = look();
        assert!(page.contains("Paid") && !page.contains("bank has taken"), "{page}");
        assert!(paper.contains("Paid on") && !paper.contains("bank has taken"), "{paper}");
        assert!(!verified.contains("taken back") && verified.contains("Genuine"), "{verified}");
        assert_eq!(api["taken_back_amount"], Value::Null, "{api}");
    };
    let is_taken = |is_undecided: bool| {
        let (page, paper, pdf, verified, api) = look();
        let taken = "The payer’s bank has taken 104.20 USD";
        for said in [&page, &paper] {
            assert!(said.contains(taken) && said.contains("Taken back by"), "{said}");
            assert!(!said.contains("Paid on") && !said.contains("du_1"), "{said}");
            assert!(!said.contains("fraudulent"), "{said}");
        }
        assert_eq!(page.contains("It has not decided for good yet."), is_undecided, "{page}");
        if let Some(pdf) = pdf {
            let (taken, paid) = (without_spaces(taken), without_spaces("Paid on"));
            assert!(pdf.contains(&taken) && !pdf.contains(&paid), "{pdf}");
        }
        assert!(
            verified.contains("; 104.20 USD taken back by the payer’s bank since"),
            "{verified}"
        );
        assert!(!verified.contains("is under way"), "{verified}");
        assert_eq!(api["taken_back_amount"].to_string(), "104.20", "{api}");
        let french = ("accept-language", "fr");
        let path = &receipt[receipt.find("/receipt/").expect("a path")..];
        let of_french = stage.server.paper_for(path, french).words();
        assert!(of_french.contains("La banque du payeur a repris"), "{of_french}");
    };
    stands();
    let asked = json!({"payment_intent": paid["provider_transaction_id"]});
    let dispute = stage.control("/stripe/disputes", &asked)["dispute"].clone();
    wait_for("the money", || {
        stage.listed_reviews().first().is_some_and(|one| one["amount"] == "-104.20").then_some(())
    });
    is_taken(true);
    stage.change_dispute(&dispute, "lost");
    is_taken(false);
    // Whoever bears it: the payer has the money.
    let number = stage.listed_reviews().remove(0)["id"].to_string();
    let resolve = ["review", "resolve", &number, "--to", "wallet", "--evidence", "Stripe: lost"];
    stage.server.kola(&resolve).ok();
    is_taken(false);
    // The bank changes its mind.
    stage.change_dispute(&dispute, "won");
    let number = stage.listed_reviews().remove(0)["id"].to_string();
    let resolve = ["review", "resolve", &number, "--to", "wallet", "--evidence", "Stripe: won"];
    stage.server.kola(&resolve).ok();
    stands();
    stage.assert_books_equal();
}

fn id_in(answer: &Value, field: &str) -> i64 {
    answer[field].as_i64().unwrap_or_else(|| panic!("no {field}: {answer}"))
}
