//! The four flows, played with the Rust client that openapi-generator generates from the document.

use std::time::Duration;

use kola::apis::{checkouts_api, counterparties_api, executions_api, jwt_api, parties_api, payment_accounts_api, sessions_api, status_api};
use kola::apis::configuration::Configuration;
use kola::models::{self, Currency, ExecutionAnswer, ExecutionStatus, Operation, Relationship, SourceType};

const PHONE: &str = "231880000001";

fn completed<E: std::fmt::Debug>(ask: impl Fn() -> Result<ExecutionAnswer, E>) -> ExecutionAnswer {
    for _ in 0..600 {
        let execution = ask().expect("a status");
        match execution.status {
            ExecutionStatus::ExecutionStatusCompleted => return execution,
            ExecutionStatus::ExecutionStatusFailed => panic!("{execution:?}"),
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
    panic!("an execution is not final after a minute")
}

fn main() {
    let merchant: serde_json::Value = serde_json::from_str(&std::env::var("MERCHANT").expect("MERCHANT")).expect("JSON");
    let text = |name: &str| merchant[name].as_str().expect(name).to_owned();
    let wallets = merchant["wallets"].as_array().expect("wallets");
    let wallet = wallets.iter().find(|wallet| wallet["currency"] == "USD").and_then(|wallet| wallet["id"].as_i64());
    let wallet = wallet.expect("a wallet in USD");
    let mut kola = Configuration { base_path: std::env::var("KOLA_URL").expect("KOLA_URL"), ..Configuration::default() };
    let secrets = models::ClientCredentialObtainToken::new(text("client_id"), text("client_secret"));
    let token = jwt_api::obtain_client_token(&kola, secrets).expect("a token");
    kola.bearer_access_token = Some(token.access_token);
    let kola = &kola;

    let party = models::CreateParty::new("Ama Kollie".to_owned(), PHONE.to_owned());
    let party = parties_api::create_party(kola, party).expect("a party");
    let mut customer = models::CreateCounterparty::new(Relationship::RelationshipCustomer);
    customer.party_id = Some(Some(party.id));
    let customer = counterparties_api::create_counterparty(kola, customer).expect("a customer");
    let account = |operation| {
        let (name, provider, method) = ("Mobile".to_owned(), "PAWAPAY".to_owned(), "MTN_MOMO_LBR".to_owned());
        let mut account = models::CreatePaymentAccount::new(name, provider, method, party.id);
        account.insensitive_account_number = Some(Some(PHONE.to_owned()));
        payment_accounts_api::create_payment_account(kola, operation, account).expect("an account").id
    };
    let (payer, payee) = (account(Operation::OperationCollection), account(Operation::OperationPayout));
    let usd = Currency::Usd;
    let tomorrow = chrono::Utc::now().fixed_offset() + chrono::Duration::days(1);
    let key = || uuid::Uuid::new_v4();

    let item = models::CheckoutItem::new("Coffee".to_owned(), usd, 12.5);
    let order = SourceType::SourceTypeOrder;
    let checkout = models::CreateCheckout::new(models::PageMode::PageModeHosted, order, PHONE.to_owned(), usd, vec![item]);
    let checkout = checkouts_api::create_checkout(kola, checkout).expect("a checkout");
    let session = models::CreateCheckoutSession::new(checkout.source_id, order);
    let session = sessions_api::create_checkout_session(kola, session).expect("a session");
    let reference = key();
    let collection = models::ExecuteCollection::new(session.id, payer, usd, reference);
    executions_api::execute_collection(kola, collection).expect("a collection");
    let paid = completed(|| status_api::get_collection_status(kola, &reference.to_string()));

    let mut payout = models::CreatePayoutSession::new(5.0, usd);
    payout.wallet_id = Some(wallet);
    payout.payment_account_id = Some(payee);
    payout.expires_at = Some(tomorrow);
    let session = sessions_api::create_payout_session(kola, payout).expect("a payout session");
    let reference = key();
    executions_api::execute_payout(kola, models::ExecutePayout::new(session.id, reference)).expect("a payout");
    completed(|| status_api::get_payout_status(kola, &reference.to_string()));

    let transfer = models::CreateTransferSession::new(wallet, customer.id, 2.0, usd, tomorrow);
    let session = sessions_api::create_transfer_session(kola, transfer).expect("a transfer session");
    let reference = key();
    executions_api::execute_transfer(kola, models::ExecuteSession::new(session.id, reference)).expect("a transfer");
    completed(|| status_api::get_transfer_status(kola, &reference.to_string()));

    let refund = models::CreateRefundSession::new(paid.payment_intent_id, 1.25, tomorrow);
    let session = sessions_api::create_refund_session(kola, refund).expect("a refund session");
    let reference = key();
    executions_api::execute_refund(kola, models::ExecuteSession::new(session.id, reference)).expect("a refund");
    completed(|| status_api::get_refund_status(kola, &reference.to_string()));
    println!("4 flows");
}
