//! Invoices and orders as types, so that one generic handler serves both.

use domain::kernel::ids::SourceId;
use domain::sales::create_source::NewSource;
use domain::sales::find_source::SourceRef;
use domain::sales::source::SourceType;
use domain::sales::update_source::SourceChanges;

use crate::api::fields::Payload;
use crate::api::sources::payloads::{CreateInvoice, CreateOrder, UpdateInvoice, UpdateOrder};
use crate::net::principal::Tenant;

/// Invoices or orders. They differ in their names and in the due date, which only invoices have.
pub trait Kind: Send + Sync + 'static {
    const TYPE: SourceType;
    /// The body of a `create` request.
    type Create: Payload + Into<NewSource> + Send;
    /// The body of an `update` request.
    type Update: Payload + Into<SourceChanges> + Send;
}

pub enum Invoices {}

pub enum Orders {}

impl Kind for Invoices {
    const TYPE: SourceType = SourceType::Invoice;
    type Create = CreateInvoice;
    type Update = UpdateInvoice;
}

impl Kind for Orders {
    const TYPE: SourceType = SourceType::Order;
    type Create = CreateOrder;
    type Update = UpdateOrder;
}

/// The merchant's invoice or order with the id that the path names.
pub const fn source_ref<K: Kind>(tenant: &Tenant, id: i64) -> SourceRef {
    SourceRef { merchant_id: tenant.id(), kind: K::TYPE, id: SourceId(id) }
}
