//! What an upgrade does to a tariff: missing fees become rows of zero, and rows of a first start
//! whose clock was ahead hold at once.

use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::{ServerTime, minutes};
use domain::tariff::Tariff;

use crate::clock;
use crate::schema::market::MarketFile;
use crate::schema::{migrate, tariff};
use crate::testing::{Cleanup, OwnDatabase, superuser};
use crate::tests::without_schema;
use crate::workspace::sql::Sql;

/// The last schema in which a missing row was a fee of zero.
const BEFORE: usize = 5;

/// An empty SQLite database, and a PostgreSQL one if there is a server for tests.
fn empty() -> Vec<(Box<dyn Sql>, Cleanup)> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kola.db");
    let sqlite = (without_schema(&path), Cleanup::Sqlite(directory));
    let postgres = superuser().map(|admin| {
        let (own, database) = OwnDatabase::create(&admin);
        (database.open_as_it_is().unwrap(), Cleanup::Postgres(own))
    });
    [sqlite].into_iter().chain(postgres).collect()
}

fn read(sql: &mut dyn Sql) -> Tariff {
    let tables: Vec<_> =
        tariff::queries().iter().map(|query| sql.rows(query, &vec![]).unwrap()).collect();
    tariff::build(&tables).unwrap()
}

/// The tariff of an older schema, in which the installation had the version and markets said less of
/// their methods. They say what the shipped markets say.
fn read_older(sql: &mut dyn Sql) -> Tariff {
    let version = "SELECT id, book_version, 0, NULL, NULL FROM installation".to_owned();
    let queries = std::iter::once(version).chain(tariff::queries().iter().skip(1).map(|query| {
        let known = query.replace("markets.dial_prefix", "NULL").replace("markets.decimals", "0");
        known.replace("markets.network_code", "''").replace("markets.display_name", "''")
    }));
    // It has no accounts at networks.
    let mut tables: Vec<_> =
        queries.take(OF_PRICES).map(|query| sql.rows(&query, &vec![]).unwrap()).collect();
    tables.resize(tariff::queries().len(), vec![]);
    let mut tariff = tariff::build(&tables).unwrap();
    let shipped = MarketFile::shipped().unwrap();
    for row in &mut tariff.markets {
        let entry = shipped.markets.iter().find(|entry| entry.method.0 == row.method).unwrap();
        row.details = entry.details().unwrap();
        row.dial_prefix = entry.dial_prefix().map(str::to_owned);
        row.decimals = entry.decimals(row.currency);
    }
    tariff
}

/// How many of the tariff's queries are about what payments cost.
const OF_PRICES: usize = 7;

/// An old tariff with faults: its rows begin at `ahead`, because the clock of the first start was
/// ahead. An operator has repaired some since then, and some rows never existed.
fn damaged(sql: &mut dyn Sql, ahead: ServerTime) -> Tariff {
    migrate::tests::run_to(BEFORE, sql);
    let (ahead, now) = (ahead.0, clock::now().0);
    for table in ["platform_fees", "gateway_fees", "rates", "markets", "phone_prefixes"] {
        sql.script(&format!("UPDATE {table} SET effective_from = {ahead}")).unwrap();
    }
    sql.script(&format!("UPDATE fee_tiers SET created_at = {ahead}")).unwrap();
    // One market was opened meanwhile, until what the first start wrote takes over.
    let market = "method, provider, operation, currency, country, effective_from, effective_to";
    sql.script(&format!(
        "INSERT INTO markets ({market}) VALUES ('CREDIT_CARD', 'STRIPE', 'COLLECTION', 'EUR', 'US', {now}, {ahead})"
    ))
    .unwrap();
    // One rate was set.
    sql.script(&format!(
        "INSERT INTO rates (from_currency, to_currency, num, den, effective_from, created_at) VALUES ('USD', 'LRD', 190, 1, {now}, {now})"
    ))
    .unwrap();
    sql.script("DELETE FROM gateway_fees WHERE method = 'WALLET'; DELETE FROM platform_fees WHERE operation = 'PAYOUT'")
        .unwrap();
    read_older(sql)
}

#[test]
fn an_upgrade_mends_the_tariff() {
    for (mut sql, _cleanup) in empty() {
        let ahead = clock::now().plus(minutes(60 * 24 * 30));
        let before = damaged(sql.as_mut(), ahead);
        migrate::run(sql.as_mut(), None).unwrap();
        let tariff = read(sql.as_mut());
        assert!(tariff.version > before.version, "servers take it up");
        let (now, then) = (clock::now(), ServerTime(1));
        for at in [then, now] {
            let wallet = |operation| {
                tariff
                    .gateway_fee(Provider::Platform, Method::WALLET, operation, at)
                    .map(|row| row.fee.percentage_ppm)
            };
            assert_eq!([Operation::Collection, Operation::Payout].map(wallet), [Some(0), Some(0)]);
            assert_eq!(wallet(Operation::Transfer), None, "no payment needs it");
            let platform = |operation| {
                tariff
                    .platform_fee("default", operation, at)
                    .map(|row| (row.fee.percentage_ppm, row.fx_percentage_ppm))
            };
            assert_eq!(
                [Operation::Collection, Operation::Payout].map(platform),
                [Some((10_000, 10_000)), Some((0, 0))]
            );
            let momo = tariff
                .gateway_fee(Provider::PawaPay, Method::MTN_MOMO_LBR, Operation::Collection, at)
                .unwrap();
            assert_eq!(momo.fee.percentage_ppm, 20_000);
            assert!(tariff.has_market(
                Method::MTN_MOMO_LBR,
                Provider::PawaPay,
                Operation::Collection,
                at
            ));
            assert!(tariff.operator("231880000001", at).is_some());
        }
        assert_eq!(
            tariff.gateway_fees.len(),
            before.gateway_fees.len() + 2,
            "none beside one that holds"
        );
        let euros = tariff
            .markets
            .iter()
            .filter(|row| row.method == Method::CREDIT_CARD && row.currency.code() == "EUR");
        let mut begins: Vec<i64> = euros.map(|row| row.effective.from.0).collect();
        begins.sort_unstable();
        assert_eq!((begins.len(), begins.last()), (2, Some(&ahead.0)), "no two rows at once");
        let [usd, lrd] =
            ["USD", "LRD"].map(|code| domain::kernel::currency::Currency::parse(code).unwrap());
        assert_eq!(
            [then, now].map(|at| tariff.rate(usd, lrd, at).unwrap().num()),
            [192, 190],
            "what was set later counts"
        );
    }
}

#[test]
fn a_new_book_has_always_held() {
    for (mut sql, _cleanup) in empty() {
        let ahead = clock::now().plus(minutes(60 * 24 * 30));
        migrate::run(sql.as_mut(), None).unwrap();
        // Seed the tariff again, by a clock that is ahead.
        let tables =
            ["platform_fees", "gateway_fees", "rates", "markets", "phone_prefixes", "fee_tiers"];
        tables.iter().for_each(|table| sql.script(&format!("DELETE FROM {table}")).unwrap());
        tariff::seed(sql.as_mut(), &MarketFile::shipped().unwrap(), ahead).unwrap();
        let tariff = read(sql.as_mut());
        assert_eq!(tariff.tiers[0].created_at, ahead);
        for at in [ServerTime(0), clock::now(), ahead] {
            assert!(tariff.platform_fee("default", Operation::Collection, at).is_some());
            assert!(
                tariff
                    .gateway_fee(Provider::Stripe, Method::CREDIT_CARD, Operation::Collection, at)
                    .is_some()
            );
            assert!(tariff.has_market(
                Method::CREDIT_CARD,
                Provider::Stripe,
                Operation::Collection,
                at
            ));
            assert!(tariff.operator("231880000001", at).is_some());
        }
    }
}

/// The last schema in which the database numbered the rows of the tariff.
const NUMBERED_BY_DATABASE: usize = 14;

#[test]
fn an_upgrade_keeps_the_ids_of_the_tariff_and_goes_on_above_them() {
    for (mut sql, _cleanup) in empty() {
        let sql = sql.as_mut();
        migrate::tests::run_to(NUMBERED_BY_DATABASE, sql);
        sql.script("UPDATE installation SET next_id = 2, book_version = 7").unwrap();
        sql.script(
            "UPDATE phone_prefixes SET id = 5000 WHERE id = (SELECT max(id) FROM phone_prefixes)",
        )
        .unwrap();
        let before = read_older(sql);
        migrate::run(sql, None).unwrap();
        // The accounts of the sandbox are new.
        assert_eq!(Tariff { network_accounts: vec![], ..read(sql) }, before);
        let next = sql.rows("SELECT next_id FROM installation", &vec![]).unwrap();
        assert_eq!((next[0].integer().unwrap(), before.version), (5_001, 7));
    }
}

#[test]
fn the_first_rows_of_a_tariff_have_ids_of_the_installation() {
    for (mut sql, _cleanup) in empty() {
        let sql = sql.as_mut();
        migrate::run(sql, None).unwrap();
        let tables =
            ["fee_tiers", "platform_fees", "gateway_fees", "rates", "markets", "phone_prefixes"];
        let ids = tables.map(|table| format!("SELECT id FROM {table}")).join(" UNION ALL ");
        let counted = format!("SELECT count(DISTINCT id) - count(*) FROM ({ids}) AS numbered");
        assert_eq!(sql.rows(&counted, &vec![]).unwrap()[0].integer().unwrap(), 0, "each once");
        let above =
            format!("SELECT max(id) - (SELECT next_id FROM installation) FROM ({ids}) AS numbered");
        assert_eq!(sql.rows(&above, &vec![]).unwrap()[0].integer().unwrap(), -1);
    }
}
