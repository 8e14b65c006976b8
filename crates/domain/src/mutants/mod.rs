//! Deliberate faults, of which a process may choose one: the simulator must find each of them.
//! Without the feature `mutants` none is compiled, and [`mutant!`](crate::mutant) is `false`.
//!
//! A fault of one line stands where it belongs; longer wrong behaviour is in [`faults`].

pub mod faults;

use std::sync::atomic::{AtomicUsize, Ordering};

/// Declares the faults with what each does.
macro_rules! mutants {
    ($($name:ident = $what:literal),+ $(,)?) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Mutant { $(#[doc = $what] $name),+ }

        /// Each fault with what it does. The first is number one.
        pub const ALL: &[(Mutant, &str)] = &[$((Mutant::$name, $what)),+];
    };
}

mutants! {
    SkipExpiry = "an expired session can be used",
    ReleaseTwice = "a failed payment releases its hold twice",
    TimeoutFails = "a time-out is taken for a failure",
    ForgetRefundSum = "a refund does not count against its payment",
    SkipReference = "the reference_id is not looked up",
    SettleWrongAmount = "a payment of another amount is settled",
    SkipConfirm = "changed rows are written without being locked",
    AnswerBeforeCommit = "a crowded batch is answered and not committed",
    FailedCompletes = "a failed payment completes without a review",
    ForgetReopen = "a failed collection does not open its source again",
    DoubleFee = "the platform's fee is taken twice",
    WrongRounding = "fees are rounded down",
    LeaseIgnored = "a lease is taken from its holder",
    SessionTwice = "an execution does not use its session up",
    BelowZero = "a wallet may fall below zero",
    HoldNotTaken = "a payment under way holds nothing",
    RefundOfPending = "a payment that is not completed can be refunded",
    CancelExecuted = "an executed session can be canceled",
    NumberGap = "now and then a number is left out",
    EventMissing = "the payment of a source is not recorded as an event",
    EarlierSendCounts = "an answer to an earlier sending counts for a later one",
    ResendAsNew = "what is sent again has a new id",
    RoomKept = "a failed refund keeps the room in its payment",
    RefundOfDisputed = "a payment that its provider took back can be refunded",
    UnknownIsDone = "a commit without an answer is taken for done",
    UnknownIsUndone = "a commit without an answer is taken for undone",
    FrozenPays = "a frozen wallet can be debited",
    TriesNotCounted = "wrong passcodes are not counted",
    RefundRoundedDown = "what a refund takes from the wallet is rounded down",
    DoubleCredit = "a collection credits the wallet with the fees too",
    OverdueIgnored = "a passed deadline opens no review",
    ForgetOverRefund = "what was given back beyond a payment is forgotten",
    MovedNotCounted = "a refund of another amount counts as it was asked for",
    ForgetEarlier = "a second contradiction forgets what the first one found",
    RateOneWay = "of a pair of currencies the newer rate is overlooked when it was written the other way round",
    IncomingKept = "a wallet goes on to await a collection that failed",
    AnyRecipient = "a transfer goes to whoever has the phone by then",
    AnyRate = "money of a third currency is taken at the payment's rate",
    HalfRounding = "an exchange is rounded half up, not up",
    StatementLineTwice = "a line of a statement is booked again",
    ExplainedBooked = "a difference that is explained is booked",
    DuplicateAgrees = "a line that a statement has twice agrees",
    StatementFeeCredited = "the fee of a statement's line is booked the wrong way round",
    UnderWayIsMissing = "a line of a payment under way is taken for missing",
    DifferenceTwice = "a difference that is known is found once more",
    PositionTwice = "a position is given to two events",
    ActorLost = "an event that a network caused is kept as one of the server itself",
    FreeFee = "a fee of less than half a minor unit is not taken",
    CappedTogether = "what a refund holds is capped by what others under way leave of the total",
    HoldTaken = "a refund takes all that it holds although less is due",
    BounceAlone = "what a review finds given back or returned is rounded by itself",
    CollectInReview = "an invoice is collected for while a review says that it may be paid",
    SettledUnpaid = "a late success that a review settles does not pay its invoice",
    LimitForgotten = "payments begun on pages are not counted",
    OtherQuotePaid = "a payer is asked for another amount than was shown",
    SettledWithoutFees = "a late success that a review settles has no fees",
    LinkUseKept = "a failed payment through a payment link keeps its use",
    LinkOverused = "a payment link is paid more often than it may be",
    HeldIsSent = "a payment is sent through an account that is held",
    HeldIsResent = "what is sent again goes through an account that is held",
    GateForEver = "what may not be sent waits without an end",
    GatedIsAsked = "a network is asked about what was never sent",
    UnsentWordCounts = "what a network says of a payment that was never sent counts",
    DeferredForgotten = "what is put back counts as never sent although it was sent before",
    TokenRefusalFails = "a refused token fails a payment",
    OldTokenStops = "a refusal of the old token stops an account that has a new one",
    SecondRefundSent = "a second refund is sent while the first is under way",
    RefundIdOverwritten = "the second refund overwrites the first one's id while it waits",
    RefundElsewhere = "a refund goes to its merchant's account, not to that of its payment",
    BindingIgnored = "a merchant that is bound to an account pays through another",
    DrainingTakes = "an account that is drained takes new payments",
    TermsIgnored = "what a network does not take is begun",
    RestoredIsSent = "after a restore requests are sent without asking first",
    MessageMissing = "the message about a completed payment is not written",
    EndpointOverlooked = "an endpoint that another process creates meanwhile is overlooked",
    SequenceTwice = "an event of one type has the sequence of the one before it",
    OthersTold = "an endpoint of another merchant is told",
    FilterIgnored = "an endpoint is told of types that it did not ask for",
    DisabledTold = "deliveries are made for an endpoint that is disabled",
    GivenUpForgotten = "what was due when an endpoint was disabled is forgotten",
    ClaimLost = "a delivery is lost when its process dies after the claim",
    ClaimTwice = "a delivery that is under way is claimed again",
    MessageRewritten = "a message is written anew at each attempt",
    ScheduleReset = "the schedule of a delivery begins anew with each attempt",
    LongPause = "an endpoint is left alone for as long as it likes",
    TakenFails = "what an endpoint has taken fails when another attempt does",
    DisabledAtOnce = "the first failure disables an endpoint",
    FailuresKept = "a success does not end the days of failure",
    GoneIsTried = "an endpoint that says that it is gone is tried again",
    RecordedTwice = "an attempt whose recording has no answer is recorded again",
    SupportUnlimited = "the support of a merchant refunds more than its limit",
    LoginTriesForgotten = "wrong passwords at logins are not counted",
    InviterForgotten = "a link is good although whoever made it was removed",
    InvitationTwice = "the link of an invitation is good twice",
    CodeTwice = "a code of a phone is taken twice",
    ResentTwice = "what is under way is sent once more when it is asked for",
    LastOwnerRemoved = "the last owner of a merchant can be removed",
    RoleByOne = "an owner alone gives a role by which money leaves",
    OwnInvitationConfirmed = "whoever made a link is the second person for it, too",
    RemovedStays = "a role that was taken away still counts",
    RoleIgnored = "a person's role is not compared with what they ask for",
    DisabledReturn = "logins go on once their user is enabled again",
    PasswordKeepsLogins = "a password change leaves the other logins",
    OldCodeCounts = "what asks again takes a code of any age",
    LinkForEver = "the link of an invitation has no end",
    RecoveryTwice = "a recovery code is good twice",
    AuditMissing = "the change of a wallet's status is not in the audit",
    AuditByAnother = "the audit says that the operator gave a person's code",
    IdleGoesOn = "a login that is not used goes on",
    RightTryKept = "a right password counts as a wrong one",
    LimitsRaised = "an owner raises the limits of payouts",
    ApprovalSkipped = "a payment above the merchant's limit needs nobody's approval",
    DayLimitIgnored = "many small payouts of a day need nobody's approval",
    FailedStaysCounted = "a failed payout counts for the day",
    OwnApproved = "somebody approves their own payout",
    KeyIsSomebody = "an API key approves what who made it has requested",
    ExpiredApproved = "a payout is approved after three days",
    AnsweredTwice = "a payout is approved or refused a second time",
    UnapprovedSent = "a payout is sent before somebody has approved it",
    BatchForgotten = "now and then a commit leaves no batch for the chain",
    UndoneBatchFollowed = "a lane's next batch follows one that was rolled back",
    ChainedTwice = "two processes chain the same batches",
    LinkSkipped = "now and then a batch is passed over by the chain",
}

static CHOSEN: AtomicUsize = AtomicUsize::new(0);

/// Chooses the fault of this number for the whole process; zero for none.
pub fn choose(number: usize) {
    CHOSEN.store(number, Ordering::Relaxed);
}

/// Whether the fault was chosen.
#[must_use]
pub fn is(mutant: Mutant) -> bool {
    let chosen = CHOSEN.load(Ordering::Relaxed);
    chosen
        .checked_sub(1)
        .and_then(|index| ALL.get(index))
        .is_some_and(|(other, _)| *other == mutant)
}
