use super::*;
use crate::record::PublicStatus;

const UUID: &str = "3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f";
const TOPIC: &str = "realtime:payment-intent:55:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f";
const ENTRY: &str = concat!(
    r#"{"event":"*","schema":"public","table":"checkout_payment_intent_public_status","#,
    r#""filter":"reference_id=eq.3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f"}"#
);
/// The one that is echoed: it has its id, too.
fn echo(id: u64) -> String {
    ENTRY.replacen('{', &format!(r#"{{"id":{id},"#), 1)
}

/// A client's frame in the framing of the socket. The references are JSON.
fn frame(vsn: Vsn, refs: [&str; 2], topic: &str, event: &str, payload: &str) -> String {
    let [join_ref, reference] = refs;
    match vsn {
        Vsn::V1 => format!(
            concat!(r#"{{"topic":"{}","event":"{}","payload":{},"ref":{},"#, r#""join_ref":{}}}"#),
            topic, event, payload, reference, join_ref
        ),
        Vsn::V2 => format!(r#"[{join_ref},{reference},"{topic}","{event}",{payload}]"#),
    }
}

/// A frame that the socket must send.
fn sent(vsn: Vsn, refs: [&str; 2], topic: &str, event: &str, payload: &str) -> Action {
    let [join_ref, reference] = refs;
    Action::Send(match vsn {
        Vsn::V1 => format!(
            r#"{{"topic":"{topic}","event":"{event}","payload":{payload},"ref":{reference}}}"#
        ),
        Vsn::V2 => format!(r#"[{join_ref},{reference},"{topic}","{event}",{payload}]"#),
    })
}

/// The payload of a join as supabase-js 2.119 writes it.
fn join_payload(entries: &str, token: &str) -> String {
    format!(
        concat!(
            r#"{{"config":{{"broadcast":{{"ack":false,"self":false}},"presence":{{"key":"","#,
            r#""enabled":false}},"postgres_changes":[{}],"private":false}},"access_token":{}}}"#
        ),
        entries, token
    )
}

fn reply_ok(entries: &str) -> String {
    format!(r#"{{"status":"ok","response":{{"postgres_changes":[{entries}]}}}}"#)
}

fn reply_error(reason: &str) -> String {
    format!(r#"{{"status":"error","response":{{"reason":"{reason}"}}}}"#)
}

fn system(extension: &str, status: &str, message: &str) -> String {
    format!(
        concat!(
            r#"{{"extension":"{}","status":"{}","message":"{}","#,
            r#""channel":"payment-intent:55:{}"}}"#
        ),
        extension, status, message, UUID
    )
}

fn token(text: &str) -> AccessToken {
    AccessToken(text.into())
}

fn row() -> PublicStatus {
    PublicStatus {
        id: 55,
        session_id: 55,
        reference_id: UUID.to_owned(),
        status: "COMPLETED".to_owned(),
        source_type: None,
        source_id: None,
        payer_amount: None,
        payer_currency: None,
        gateway_message: None,
        requires_action: false,
        created_at: "2026-01-02T03:04:05+00:00".to_owned(),
        updated_at: "2026-01-02T03:04:05+00:00".to_owned(),
    }
}

const AT: &str = "2026-01-02T03:04:05.678Z";
const GRANT: Result<Grant, Refusal> = Ok(Grant { token_ends_ms: None });
const BOTH: [Vsn; 2] = [Vsn::V1, Vsn::V2];

/// The channel of the last `Authorize`, which must be the last action.
fn authorizing(actions: &[Action]) -> ChannelId {
    match actions.last() {
        Some(Action::Authorize { channel, .. }) => *channel,
        other => panic!("{other:?}"),
    }
}

/// A socket with a channel that joined by the reference 6.
fn joined(vsn: Vsn) -> (Socket, ChannelId) {
    let mut socket = Socket::new(vsn, 0);
    let payload = join_payload(ENTRY, r#""jwt""#);
    let join = frame(vsn, [r#""6""#; 2], TOPIC, "phx_join", &payload);
    let channel = authorizing(&socket.receive(&join, 0));
    assert_eq!(socket.authorized(channel, GRANT).len(), 2);
    (socket, channel)
}

#[test]
fn a_walk_in_the_frames_of_the_second_version() {
    // As supabase-js 2.119.1 and its server write them.
    let mut socket = Socket::new(Vsn::V2, 0);
    let join = concat!(
        r#"["6","6","realtime:payment-intent:55:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f","#,
        r#""phx_join",{"config":{"broadcast":{"ack":false,"self":false},"presence":{"key":"","#,
        r#""enabled":false},"postgres_changes":[{"event":"*","schema":"public","#,
        r#""table":"checkout_payment_intent_public_status","#,
        r#""filter":"reference_id=eq.3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f"}],"#,
        r#""private":false},"access_token":"jwt"}]"#
    );
    let actions = socket.receive(join, 0);
    let channel = authorizing(&actions);
    let entry = serde_json::from_str(ENTRY).expect("an object");
    assert_eq!(
        actions,
        [Action::Authorize {
            channel,
            topic: TOPIC.to_owned(),
            changes: vec![ChangeRequest {
                event: EventFilter::All,
                schema: Some("public".to_owned()),
                table: Some("checkout_payment_intent_public_status".to_owned()),
                filter: Some(format!("reference_id=eq.{UUID}")),
                entry,
            }],
            access_token: Some(token("jwt")),
        }]
    );
    assert_eq!(
        socket.authorized(channel, GRANT),
        [
            Action::Send(
                concat!(
                    r#"["6","6","realtime:payment-intent:55:"#,
                    r#"3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f","#,
                    r#""phx_reply",{"status":"ok","response":{"postgres_changes":[{"id":1,"#,
                    r#""event":"*","schema":"public","#,
                    r#""table":"checkout_payment_intent_public_status","#,
                    r#""filter":"reference_id=eq.3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f"}]}}]"#
                )
                .to_owned()
            ),
            Action::Send(
                concat!(
                    r#"[null,null,"realtime:payment-intent:55:"#,
                    r#"3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f","#,
                    r#""system",{"extension":"postgres_changes","status":"ok","#,
                    r#""message":"Subscribed to PostgreSQL","#,
                    r#""channel":"payment-intent:55:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f"}]"#
                )
                .to_owned()
            ),
        ]
    );
    assert_eq!(
        socket.receive(r#"[null,"7","phoenix","heartbeat",{}]"#, 25_000),
        [Action::Send(
            r#"[null,"7","phoenix","phx_reply",{"status":"ok","response":{}}]"#.to_owned()
        )]
    );
    let change = row().updated(AT);
    assert_eq!(
        socket.changed(channel, &change),
        [Action::Send(format!(
            r#"[null,null,"{TOPIC}","postgres_changes",{{"ids":[1],"data":{}}}]"#,
            change.data()
        ))]
    );
    let refresh = format!(r#"["6","9","{TOPIC}","access_token",{{"access_token":"jwt2"}}]"#);
    assert_eq!(
        socket.receive(&refresh, 50_000),
        [Action::TokenChanged { channel, token: token("jwt2") }]
    );
    assert_eq!(socket.token_ok(channel, None), []);
    assert_eq!(
        socket.receive(&format!(r#"["6","10","{TOPIC}","phx_leave",{{}}]"#), 60_000),
        [
            Action::Send(format!(
                r#"["6","10","{TOPIC}","phx_reply",{{"status":"ok","response":{{}}}}]"#
            )),
            Action::Send(format!(r#"["6","6","{TOPIC}","phx_close",{{}}]"#)),
            Action::Left { channel },
        ]
    );
    assert_eq!(socket.channel_count(), 0);
}

#[test]
fn a_walk_in_the_frames_of_the_first_version() {
    // As supabase-js 2.86 writes them.
    let mut socket = Socket::new(Vsn::V1, 0);
    let payload = join_payload(ENTRY, r#""jwt""#);
    let join = format!(
        r#"{{"topic":"{TOPIC}","event":"phx_join","payload":{payload},"ref":"1","join_ref":"1"}}"#
    );
    let channel = authorizing(&socket.receive(&join, 0));
    assert_eq!(
        socket.authorized(channel, GRANT),
        [
            Action::Send(format!(
                r#"{{"topic":"{TOPIC}","event":"phx_reply","payload":{},"ref":"1"}}"#,
                reply_ok(&echo(1))
            )),
            Action::Send(format!(
                r#"{{"topic":"{TOPIC}","event":"system","payload":{},"ref":null}}"#,
                system("postgres_changes", "ok", "Subscribed to PostgreSQL")
            )),
        ]
    );
    // The Python client's heartbeats have no reference.
    for reference in [r#""2""#, "null"] {
        let heartbeat = format!(
            concat!(
                r#"{{"event":"heartbeat","payload":{{}},"topic":"phoenix","ref":{},"#,
                r#""join_ref":null}}"#
            ),
            reference
        );
        assert_eq!(
            socket.receive(&heartbeat, 1),
            [Action::Send(format!(
                concat!(
                    r#"{{"topic":"phoenix","event":"phx_reply","#,
                    r#""payload":{{"status":"ok","response":{{}}}},"ref":{}}}"#
                ),
                reference
            ))]
        );
    }
    let change = row().inserted(AT);
    assert_eq!(
        socket.changed(channel, &change),
        [Action::Send(format!(
            concat!(
                r#"{{"topic":"{}","event":"postgres_changes","#,
                r#""payload":{{"ids":[1],"data":{}}},"ref":null}}"#
            ),
            TOPIC,
            change.data()
        ))]
    );
    let leave = format!(
        r#"{{"topic":"{TOPIC}","event":"phx_leave","payload":{{}},"ref":"3","join_ref":"1"}}"#
    );
    assert_eq!(
        socket.receive(&leave, 2),
        [
            Action::Send(format!(
                concat!(
                    r#"{{"topic":"{}","event":"phx_reply","#,
                    r#""payload":{{"status":"ok","response":{{}}}},"ref":"3"}}"#
                ),
                TOPIC
            )),
            Action::Send(format!(
                r#"{{"topic":"{TOPIC}","event":"phx_close","payload":{{}},"ref":"1"}}"#
            )),
            Action::Left { channel },
        ]
    );
}

#[test]
fn entries_are_echoed_as_they_came() {
    let entries = [
        r#"{"event":"INSERT","schema":"public","table":"t"}"#,
        r#"{"filter":null,"event":"UPDATE","table":"é\n\"","schema":"public"}"#,
        r#"{"event":"DELETE","select":["a","b"],"n":1.50,"m":123456789012345678901234567890}"#,
        r#"{"event":"*","schema":"public","more":{"b":{},"a":[]}}"#,
    ];
    for vsn in BOTH {
        let mut socket = Socket::new(vsn, 0);
        let payload = join_payload(&entries.join(","), "null");
        let join = frame(vsn, [r#""1""#; 2], TOPIC, "phx_join", &payload);
        let channel = authorizing(&socket.receive(&join, 0));
        let echoed: Vec<String> = (1..)
            .zip(entries)
            .map(|(id, entry)| entry.replacen('{', &format!(r#"{{"id":{id},"#), 1))
            .collect();
        assert_eq!(
            socket.authorized(channel, GRANT)[0],
            sent(vsn, [r#""1""#; 2], TOPIC, "phx_reply", &reply_ok(&echoed.join(",")))
        );
    }
}

#[test]
fn an_id_of_the_client_is_replaced() {
    let mut socket = Socket::new(Vsn::V2, 0);
    let payload = join_payload(r#"{"event":"*","id":0}"#, "null");
    let join = frame(Vsn::V2, [r#""1""#; 2], TOPIC, "phx_join", &payload);
    let channel = authorizing(&socket.receive(&join, 0));
    assert_eq!(
        socket.authorized(channel, GRANT)[0],
        sent(Vsn::V2, [r#""1""#; 2], TOPIC, "phx_reply", &reply_ok(r#"{"id":1,"event":"*"}"#))
    );
}

#[test]
fn a_join_may_ask_for_nothing() {
    for payload in [
        "{}",
        "null",
        r#"{"config":null,"access_token":null}"#,
        r#"{"config":{}}"#,
        r#"{"config":{"postgres_changes":null,"unknown":[[]]}}"#,
        r#"{"config":{"postgres_changes":[]},"access_token":""}"#,
        r#"{"config":{"postgres_changes":[]},"access_token":"sb_publishable_x"}"#,
    ] {
        for vsn in BOTH {
            let mut socket = Socket::new(vsn, 0);
            let join = frame(vsn, [r#""1""#; 2], TOPIC, "phx_join", payload);
            let actions = socket.receive(&join, 0);
            let channel = authorizing(&actions);
            let topic = TOPIC.to_owned();
            assert_eq!(
                actions,
                [Action::Authorize { channel, topic, changes: Vec::new(), access_token: None }]
            );
            // There is always a list, and no word of PostgreSQL.
            assert_eq!(
                socket.authorized(channel, GRANT),
                [sent(vsn, [r#""1""#; 2], TOPIC, "phx_reply", &reply_ok(""))]
            );
            assert_eq!(socket.changed(channel, &row().inserted(AT)), []);
        }
    }
}

#[test]
fn a_join_that_makes_no_sense_is_refused() {
    let invalid = |text: &str| format!("InvalidJoinPayload: {text}");
    let malformed = "MalformedJWT: The token provided is not a valid JWT".to_owned();
    let types = "schema, table or filter is not a string";
    let events = "event is none of *, INSERT, UPDATE, DELETE";
    let long = format!(r#"{{"event":"*","schema":"{}"}}"#, "a".repeat(MAX_ENTRY));
    for (payload, reason) in [
        (r#"{"config":[]}"#.to_owned(), invalid("config is not an object")),
        (r#"{"config":"*"}"#.to_owned(), invalid("config is not an object")),
        (
            r#"{"config":{"postgres_changes":{}}}"#.to_owned(),
            invalid("postgres_changes is not a list"),
        ),
        (
            r#"{"config":{"postgres_changes":7}}"#.to_owned(),
            invalid("postgres_changes is not a list"),
        ),
        (
            join_payload(&[ENTRY; 11].join(","), "null"),
            invalid("postgres_changes has more than 10 entries"),
        ),
        (join_payload("null", "null"), invalid("an entry of postgres_changes is not an object")),
        (join_payload("[]", "null"), invalid("an entry of postgres_changes is not an object")),
        (join_payload(&long, "null"), invalid("an entry of postgres_changes is too long")),
        (join_payload("{}", "null"), invalid(events)),
        (join_payload(r#"{"event":null}"#, "null"), invalid(events)),
        (join_payload(r#"{"event":["*"]}"#, "null"), invalid(events)),
        (join_payload(r#"{"event":"insert"}"#, "null"), invalid(events)),
        (join_payload(r#"{"event":"TRUNCATE"}"#, "null"), invalid(events)),
        (join_payload(r#"{"event":"*","schema":7}"#, "null"), invalid(types)),
        (join_payload(r#"{"event":"*","table":[]}"#, "null"), invalid(types)),
        (join_payload(r#"{"event":"*","filter":{}}"#, "null"), invalid(types)),
        (join_payload(ENTRY, "7"), malformed.clone()),
        (join_payload(ENTRY, "{}"), malformed.clone()),
        (join_payload(ENTRY, &format!(r#""{}""#, "a".repeat(MAX_TOKEN + 1))), malformed),
    ] {
        for vsn in BOTH {
            let mut socket = Socket::new(vsn, 0);
            let join = frame(vsn, [r#""1""#; 2], TOPIC, "phx_join", &payload);
            assert_eq!(
                socket.receive(&join, 0),
                [sent(vsn, [r#""1""#; 2], TOPIC, "phx_reply", &reply_error(&reason))]
            );
            assert_eq!(socket.channel_count(), 0);
        }
    }
}

#[test]
fn the_host_may_refuse_a_join() {
    for vsn in BOTH {
        let mut socket = Socket::new(vsn, 0);
        let payload = join_payload(ENTRY, r#""jwt""#);
        let join = frame(vsn, [r#""6""#, r#""7""#], TOPIC, "phx_join", &payload);
        let channel = authorizing(&socket.receive(&join, 0));
        let refusal = Refusal::unauthorized(name(TOPIC));
        let reason = format!(
            "Unauthorized: You do not have permissions to read from this Channel topic: {}",
            name(TOPIC)
        );
        assert_eq!(
            socket.authorized(channel, Err(refusal.clone())),
            [
                sent(vsn, [r#""6""#, r#""7""#], TOPIC, "phx_reply", &reply_error(&reason)),
                Action::Left { channel }
            ]
        );
        // It may answer only once.
        assert_eq!(socket.authorized(channel, GRANT), []);
        assert_eq!(socket.authorized(channel, Err(refusal)), []);
        assert_eq!(socket.changed(channel, &row().inserted(AT)), []);
    }
}

#[test]
fn nothing_is_told_before_the_host_answers() {
    let mut socket = Socket::new(Vsn::V2, 0);
    let payload = join_payload(ENTRY, r#""jwt""#);
    let join = frame(Vsn::V2, [r#""6""#; 2], TOPIC, "phx_join", &payload);
    let channel = authorizing(&socket.receive(&join, 0));
    assert_eq!(socket.changed(channel, &row().inserted(AT)), []);
    assert_eq!(socket.token_ok(channel, None), []);
    assert_eq!(socket.authorized(channel, GRANT).len(), 2);
    assert_eq!(socket.changed(channel, &row().inserted(AT)).len(), 1);
}

#[test]
fn a_change_goes_once_to_a_channel_with_all_ids_that_match() {
    let events = ["*", "INSERT", "UPDATE", "DELETE", "INSERT"];
    let entries = events.map(|event| ENTRY.replace('*', event)).join(",");
    for vsn in BOTH {
        let mut socket = Socket::new(vsn, 0);
        let payload = join_payload(&entries, r#""jwt""#);
        let join = frame(vsn, [r#""6""#; 2], TOPIC, "phx_join", &payload);
        let channel = authorizing(&socket.receive(&join, 0));
        socket.authorized(channel, GRANT);
        for (change, ids) in [
            (row().inserted(AT), "1,2,5"),
            (row().updated(AT), "1,3"),
            (Change::deleted(55, AT), "1,4"),
        ] {
            let payload = format!(r#"{{"ids":[{ids}],"data":{}}}"#, change.data());
            assert_eq!(
                socket.changed(channel, &change),
                [sent(vsn, ["null"; 2], TOPIC, "postgres_changes", &payload)]
            );
        }
    }
}

#[test]
fn a_channel_that_asks_for_other_events_hears_nothing() {
    let mut socket = Socket::new(Vsn::V2, 0);
    let payload = join_payload(&ENTRY.replace('*', "DELETE"), r#""jwt""#);
    let join = frame(Vsn::V2, [r#""6""#; 2], TOPIC, "phx_join", &payload);
    let channel = authorizing(&socket.receive(&join, 0));
    socket.authorized(channel, GRANT);
    assert_eq!(socket.changed(channel, &row().updated(AT)), []);
}

#[test]
fn a_second_join_closes_the_first() {
    for vsn in BOTH {
        let (mut socket, first) = joined(vsn);
        let payload = join_payload(ENTRY, r#""jwt2""#);
        let join = frame(vsn, [r#""8""#; 2], TOPIC, "phx_join", &payload);
        let actions = socket.receive(&join, 1);
        let second = authorizing(&actions);
        assert_ne!(first, second);
        assert_eq!(
            actions[..2],
            [sent(vsn, [r#""6""#; 2], TOPIC, "phx_close", "{}"), Action::Left { channel: first }]
        );
        // Its ids are others, so that a change is of one of them.
        assert_eq!(
            socket.authorized(second, GRANT)[0],
            sent(vsn, [r#""8""#; 2], TOPIC, "phx_reply", &reply_ok(&echo(2)))
        );
        assert_eq!(socket.changed(first, &row().inserted(AT)), []);
        assert_eq!(socket.token_expired(first), []);
        assert_eq!(socket.channel_count(), 1);
    }
}

#[test]
fn a_second_join_that_is_refused_closes_the_first_all_the_same() {
    let (mut socket, first) = joined(Vsn::V2);
    let join = frame(Vsn::V2, [r#""8""#; 2], TOPIC, "phx_join", r#"{"config":7}"#);
    assert_eq!(
        socket.receive(&join, 1),
        [
            sent(Vsn::V2, [r#""6""#; 2], TOPIC, "phx_close", "{}"),
            Action::Left { channel: first },
            sent(
                Vsn::V2,
                [r#""8""#; 2],
                TOPIC,
                "phx_reply",
                &reply_error("InvalidJoinPayload: config is not an object")
            ),
        ]
    );
}

#[test]
fn a_second_join_while_the_first_waits_replaces_it() {
    for vsn in BOTH {
        let mut socket = Socket::new(vsn, 0);
        let payload = join_payload(ENTRY, r#""jwt""#);
        let join = |reference| frame(vsn, [reference; 2], TOPIC, "phx_join", &payload);
        let first = authorizing(&socket.receive(&join(r#""6""#), 0));
        let actions = socket.receive(&join(r#""8""#), 1);
        let second = authorizing(&actions);
        // The first had no reply, so there is nothing to close.
        assert_eq!(actions[..actions.len() - 1], [Action::Left { channel: first }]);
        assert_eq!(socket.authorized(first, GRANT), []);
        assert_eq!(socket.authorized(second, GRANT).len(), 2);
    }
}

#[test]
fn a_client_may_leave_what_it_has_or_has_not() {
    let ok = r#"{"status":"ok","response":{}}"#;
    for vsn in BOTH {
        let leave = |join_ref| frame(vsn, [join_ref, r#""9""#], TOPIC, "phx_leave", "{}");
        let reply = |join_ref| sent(vsn, [join_ref, r#""9""#], TOPIC, "phx_reply", ok);
        // An unknown topic.
        let mut socket = Socket::new(vsn, 0);
        assert_eq!(socket.receive(&leave(r#""6""#), 0), [reply(r#""6""#)]);
        // Without the reference of its join.
        let (mut socket, channel) = joined(vsn);
        let left = [
            reply(r#""6""#),
            sent(vsn, [r#""6""#; 2], TOPIC, "phx_close", "{}"),
            Action::Left { channel },
        ];
        assert_eq!(socket.receive(&leave("null"), 1), left);
        assert_eq!(socket.receive(&leave("null"), 1), [reply("null")]);
        // A former channel of the topic: the present one stays.
        let (mut socket, channel) = joined(vsn);
        assert_eq!(socket.receive(&leave(r#""4""#), 1), [reply(r#""4""#)]);
        assert_eq!(socket.changed(channel, &row().inserted(AT)).len(), 1);
        // One that waits for the host.
        let mut socket = Socket::new(vsn, 0);
        let join = frame(vsn, [r#""6""#; 2], TOPIC, "phx_join", "{}");
        let channel = authorizing(&socket.receive(&join, 0));
        assert_eq!(socket.receive(&leave(r#""6""#), 1).last(), Some(&Action::Left { channel }));
        assert_eq!(socket.authorized(channel, GRANT), []);
    }
}

#[test]
fn what_is_sent_to_no_channel_is_unmatched() {
    let unmatched = reply_error("unmatched topic");
    for vsn in BOTH {
        let (mut socket, _) = joined(vsn);
        for (topic, event) in [
            ("realtime:other", "broadcast"),
            ("realtime:other", "presence"),
            ("realtime:other", "access_token"),
            ("realtime:other", "heartbeat"),
            ("realtime:other", ""),
            ("phoenix", "other"),
            ("phoenix", "phx_join"),
            ("room", "phx_join"),
            ("Realtime:room", "phx_join"),
            ("", "phx_join"),
        ] {
            let text = frame(vsn, [r#""6""#, r#""9""#], topic, event, "{}");
            assert_eq!(
                socket.receive(&text, 1),
                [sent(vsn, ["null", r#""9""#], topic, "phx_reply", &unmatched)]
            );
        }
    }
}

#[test]
fn pushes_are_acknowledged_whatever_join_they_name() {
    for vsn in BOTH {
        let (mut socket, _) = joined(vsn);
        for join_ref in [r#""6""#, r#""4""#, "null", "6"] {
            for event in ["broadcast", "presence"] {
                let text = frame(vsn, [join_ref, r#""9""#], TOPIC, event, r#"{"type":"x"}"#);
                let ok = r#"{"status":"ok","response":{}}"#;
                assert_eq!(
                    socket.receive(&text, 1),
                    [sent(vsn, [r#""6""#, r#""9""#], TOPIC, "phx_reply", ok)]
                );
            }
            for event in ["phx_reply", "phx_close", "phx_error", "postgres_changes", "", "x"] {
                let text = frame(vsn, [join_ref, r#""9""#], TOPIC, event, "{}");
                assert_eq!(socket.receive(&text, 1), []);
            }
        }
        assert_eq!(socket.channel_count(), 1);
    }
}

#[test]
fn references_are_echoed_whatever_they_are() {
    for vsn in BOTH {
        let mut socket = Socket::new(vsn, 0);
        for [join_ref, reference] in [["6", "7"], ["1.50", "-0"], [r#""""#, r#""é\n""#]] {
            let join = frame(vsn, [join_ref, reference], TOPIC, "phx_join", "{}");
            let channel = authorizing(&socket.receive(&join, 0));
            assert_eq!(
                socket.authorized(channel, GRANT),
                [sent(vsn, [join_ref, reference], TOPIC, "phx_reply", &reply_ok(""))]
            );
        }
        // For a join both are the same, so one will do.
        let join = frame(vsn, ["null", r#""7""#], TOPIC, "phx_join", "{}");
        let channel = authorizing(&socket.receive(&join, 0));
        assert_eq!(
            socket.authorized(channel, GRANT),
            [sent(vsn, [r#""7""#; 2], TOPIC, "phx_reply", &reply_ok(""))]
        );
        let join = frame(vsn, ["null"; 2], TOPIC, "phx_join", "{}");
        let channel = authorizing(&socket.receive(&join, 0));
        assert_eq!(
            socket.authorized(channel, GRANT),
            [sent(vsn, ["null"; 2], TOPIC, "phx_reply", &reply_ok(""))]
        );
    }
}

/// A frame that changes the token, which is JSON.
fn refresh(vsn: Vsn, token: &str) -> String {
    let payload = format!(r#"{{"access_token":{token}}}"#);
    frame(vsn, [r#""6""#, r#""9""#], TOPIC, "access_token", &payload)
}

#[test]
fn a_token_that_is_no_other_is_ignored() {
    for vsn in BOTH {
        let (mut socket, channel) = joined(vsn);
        for token in [r#""jwt""#, "null", r#""""#, r#""sb_publishable_x""#] {
            assert_eq!(socket.receive(&refresh(vsn, token), 1), []);
        }
        let nothing = frame(vsn, [r#""6""#, r#""9""#], TOPIC, "access_token", "{}");
        assert_eq!(socket.receive(&nothing, 1), []);
        let changed = Action::TokenChanged { channel, token: token("jwt2") };
        assert_eq!(socket.receive(&refresh(vsn, r#""jwt2""#), 1), [changed]);
        assert_eq!(socket.receive(&refresh(vsn, r#""jwt2""#), 1), []);
        assert_eq!(socket.token_ok(channel, None), []);
        assert_eq!(socket.receive(&refresh(vsn, r#""jwt2""#), 1), []);
    }
}

#[test]
fn one_token_is_checked_at_a_time_and_then_the_newest() {
    let (mut socket, channel) = joined(Vsn::V2);
    let changed = |text: &str| [Action::TokenChanged { channel, token: token(text) }];
    assert_eq!(socket.receive(&refresh(Vsn::V2, r#""a""#), 1), changed("a"));
    for text in [r#""b""#, r#""c""#, r#""c""#] {
        assert_eq!(socket.receive(&refresh(Vsn::V2, text), 1), []);
    }
    assert_eq!(socket.token_ok(channel, Some(90_000)), changed("c"));
    assert_eq!(socket.deadline(), Some(60_001));
    assert_eq!(socket.token_ok(channel, Some(50_000)), []);
    assert_eq!(socket.deadline(), Some(50_000));
    // The host answers nothing that was not asked.
    assert_eq!(socket.token_ok(channel, None), []);
    assert_eq!(socket.deadline(), Some(50_000));
}

#[test]
fn a_token_that_changes_while_the_host_thinks_is_checked_next() {
    let mut socket = Socket::new(Vsn::V2, 0);
    let payload = join_payload(ENTRY, r#""jwt""#);
    let join = frame(Vsn::V2, [r#""6""#; 2], TOPIC, "phx_join", &payload);
    let channel = authorizing(&socket.receive(&join, 0));
    assert_eq!(socket.receive(&refresh(Vsn::V2, r#""jwt2""#), 1), []);
    let actions = socket.authorized(channel, GRANT);
    assert_eq!(actions.len(), 3);
    assert_eq!(actions[2], Action::TokenChanged { channel, token: token("jwt2") });
}

#[test]
fn a_token_that_opens_nothing_ends_the_channel() {
    let ended = |vsn, channel, message: &str| {
        [
            sent(vsn, ["null"; 2], TOPIC, "system", &system("system", "error", message)),
            sent(vsn, [r#""6""#; 2], TOPIC, "phx_close", "{}"),
            Action::Left { channel },
        ]
    };
    for vsn in BOTH {
        let (mut socket, channel) = joined(vsn);
        socket.receive(&refresh(vsn, r#""other""#), 1);
        assert_eq!(
            socket.token_refused(channel, &Refusal::token_expired(5)),
            ended(vsn, channel, "InvalidJWTToken: Token has expired 5 seconds ago")
        );
        assert_eq!(socket.token_refused(channel, &Refusal::token_expired(5)), []);
        let (mut socket, channel) = joined(vsn);
        assert_eq!(
            socket.token_expired(channel),
            ended(vsn, channel, "InvalidJWTToken: Token has expired 0 seconds ago")
        );
        for text in ["7".to_owned(), "{}".to_owned(), format!(r#""{}""#, "a".repeat(5000))] {
            let (mut socket, channel) = joined(vsn);
            assert_eq!(
                socket.receive(&refresh(vsn, &text), 1),
                ended(vsn, channel, "MalformedJWT: The token provided is not a valid JWT")
            );
        }
    }
}

#[test]
fn a_malformed_token_while_the_host_thinks_is_the_answer_to_the_join() {
    let mut socket = Socket::new(Vsn::V2, 0);
    let join = frame(Vsn::V2, [r#""6""#; 2], TOPIC, "phx_join", &join_payload(ENTRY, "null"));
    let channel = authorizing(&socket.receive(&join, 0));
    let reason = "MalformedJWT: The token provided is not a valid JWT";
    assert_eq!(
        socket.receive(&refresh(Vsn::V2, "7"), 1),
        [
            sent(Vsn::V2, [r#""6""#; 2], TOPIC, "phx_reply", &reply_error(reason)),
            Action::Left { channel }
        ]
    );
}

#[test]
fn a_channel_ends_with_its_token() {
    let mut socket = Socket::new(Vsn::V2, 0);
    let payload = join_payload(ENTRY, r#""jwt""#);
    let join = frame(Vsn::V2, [r#""6""#; 2], TOPIC, "phx_join", &payload);
    let channel = authorizing(&socket.receive(&join, 0));
    socket.authorized(channel, Ok(Grant { token_ends_ms: Some(30_000) }));
    assert_eq!(socket.deadline(), Some(30_000));
    assert_eq!(socket.tick(29_999), []);
    let actions = socket.tick(32_000);
    let message = "InvalidJWTToken: Token has expired 2 seconds ago";
    assert_eq!(
        actions[0],
        sent(Vsn::V2, ["null"; 2], TOPIC, "system", &system("system", "error", message))
    );
    assert_eq!(actions[2], Action::Left { channel });
    assert_eq!(socket.deadline(), Some(60_000));
}

#[test]
fn a_silent_socket_closes_after_a_minute() {
    let (mut socket, channel) = joined(Vsn::V2);
    assert_eq!(socket.deadline(), Some(60_000));
    assert_eq!(socket.tick(59_999), []);
    socket.receive(r#"[null,"7","phoenix","heartbeat",{}]"#, 59_999);
    assert_eq!(socket.tick(119_998), []);
    assert_eq!(socket.tick(119_999), [Action::Close { code: 1001, reason: "idle" }]);
    closed(&mut socket, channel);
}

#[test]
fn a_drain_closes_the_socket() {
    let (mut socket, channel) = joined(Vsn::V2);
    assert_eq!(socket.drain(), [Action::Close { code: 1012, reason: "service restart" }]);
    closed(&mut socket, channel);
}

#[test]
fn what_is_no_frame_closes_the_socket() {
    for (text, code, reason) in [
        ("a".repeat(10_000_000), 1009, "frame too large"),
        ("[".repeat(60_000), 1007, "malformed frame"),
        ("garbage".to_owned(), 1007, "malformed frame"),
    ] {
        for vsn in BOTH {
            let (mut socket, channel) = joined(vsn);
            assert_eq!(socket.receive(&text, 1), [Action::Close { code, reason }]);
            closed(&mut socket, channel);
        }
    }
    let (mut socket, channel) = joined(Vsn::V2);
    let close = Action::Close { code: 1003, reason: "text frames only" };
    assert_eq!(socket.refuse_frame(FrameError::Binary), [close]);
    closed(&mut socket, channel);
}

/// A closed socket answers nothing.
fn closed(socket: &mut Socket, channel: ChannelId) {
    assert_eq!(socket.channel_count(), 0);
    assert_eq!(socket.deadline(), None);
    let mut actions = socket.receive(r#"[null,"7","phoenix","heartbeat",{}]"#, 2);
    actions.extend(socket.receive("garbage", 2));
    actions.extend(socket.refuse_frame(FrameError::Binary));
    actions.extend(socket.authorized(channel, GRANT));
    actions.extend(socket.token_ok(channel, None));
    actions.extend(socket.token_expired(channel));
    actions.extend(socket.changed(channel, &row().inserted(AT)));
    actions.extend(socket.tick(i64::MAX));
    actions.extend(socket.drain());
    assert_eq!(actions, []);
}

/// Joins the topic of a number, and returns the reason if it is refused at once.
fn join_number(socket: &mut Socket, number: i64, now_ms: i64) -> Result<ChannelId, String> {
    let topic = format!("realtime:room-{number}");
    let join = frame(Vsn::V2, [r#""6""#; 2], &topic, "phx_join", "{}");
    match socket.receive(&join, now_ms).as_slice() {
        [Action::Authorize { channel, .. }] => Ok(*channel),
        [Action::Send(text)] => {
            let reply: Value = serde_json::from_str(text).expect("a frame");
            let reason = reply[4]["response"]["reason"].as_str().expect("a reason");
            Err(reason.to_owned())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn ten_joins_a_second() {
    let too_many = Err("ClientJoinRateLimitReached: Too many joins per second".to_owned());
    let mut socket = Socket::new(Vsn::V2, 0);
    for number in 0..10 {
        let channel = join_number(&mut socket, number, number * 50).expect("a channel");
        socket.authorized(channel, GRANT);
    }
    for now_ms in [450, 451, 999] {
        assert_eq!(join_number(&mut socket, 10, now_ms), too_many);
    }
    assert!(join_number(&mut socket, 10, 1000).is_ok());
    assert_eq!(join_number(&mut socket, 11, 1049), too_many);
    assert!(join_number(&mut socket, 11, 1050).is_ok());
    // A clock that is set back locks nobody out.
    assert!(join_number(&mut socket, 12, -1_000_000).is_ok());
}

#[test]
fn a_hundred_channels_a_socket() {
    let mut socket = Socket::new(Vsn::V2, 0);
    let mut channels = Vec::new();
    for number in 0..100 {
        let channel = join_number(&mut socket, number, number * 200).expect("a channel");
        assert_eq!(socket.authorized(channel, GRANT).len(), 1);
        channels.push(channel);
    }
    assert_eq!(
        join_number(&mut socket, 100, 30_000),
        Err("ChannelRateLimitReached: Too many channels".to_owned())
    );
    // One that it has may be joined again.
    let again = frame(Vsn::V2, [r#""6""#; 2], "realtime:room-0", "phx_join", "{}");
    let channel = authorizing(&socket.receive(&again, 30_000));
    assert_eq!(socket.channel_count(), 100);
    socket.authorized(channel, Err(Refusal::malformed_token()));
    assert!(join_number(&mut socket, 100, 30_000).is_ok());
}

#[test]
fn twenty_joins_wait_for_the_host() {
    let mut socket = Socket::new(Vsn::V2, 0);
    for number in 0..20 {
        assert!(join_number(&mut socket, number, number * 200).is_ok());
    }
    let refused = join_number(&mut socket, 20, 10_000);
    let too_many = "ClientJoinRateLimitReached: Too many joins at a time".to_owned();
    assert_eq!(refused, Err(too_many));
}

#[test]
fn a_topic_has_a_name_and_at_most_256_characters() {
    let mut socket = Socket::new(Vsn::V2, 0);
    for (name, reason) in [
        (String::new(), Some("TopicNameRequired: You must provide a topic name")),
        ("é".repeat(247), None),
        ("é".repeat(248), Some("InvalidTopic: The topic has more than 256 characters")),
        ("a".repeat(60_000), Some("InvalidTopic: The topic has more than 256 characters")),
    ] {
        let topic = format!("realtime:{name}");
        let join = frame(Vsn::V2, [r#""6""#; 2], &topic, "phx_join", "{}");
        let actions = socket.receive(&join, 0);
        match reason {
            None => {
                authorizing(&actions);
            }
            Some(reason) => {
                let reply = reply_error(reason);
                assert_eq!(actions, [sent(Vsn::V2, [r#""6""#; 2], &topic, "phx_reply", &reply)]);
            }
        }
    }
}

#[test]
fn a_token_is_not_shown() {
    let mut socket = Socket::new(Vsn::V2, 0);
    let payload = join_payload(ENTRY, r#""secret""#);
    let join = frame(Vsn::V2, [r#""6""#; 2], TOPIC, "phx_join", &payload);
    let actions = socket.receive(&join, 0);
    assert!(!format!("{actions:?}").contains("secret"));
}

/// The bytes that a socket keeps, without those of empty places.
fn kept(socket: &Socket) -> usize {
    let token = |token: &Option<AccessToken>| token.as_ref().map_or(0, |t| t.as_str().len());
    let channels = socket.channels.values().map(|channel| {
        let joining = match &channel.state {
            State::Joining { reference, reply } => reference.to_string().len() + reply.len(),
            State::Joined => 0,
        };
        let tokens = token(&channel.token) + token(&channel.next_token);
        let refs = channel.join_ref.to_string().len();
        joining
            + tokens
            + refs
            + channel.topic.len()
            + channel.bindings.len() * size_of::<Binding>()
    });
    channels.sum::<usize>() + socket.joins.len() * size_of::<i64>()
}

#[test]
fn a_thousand_of_the_largest_joins_are_kept_within_bounds() {
    let entry = format!(r#"{{"event":"*","schema":"{}"}}"#, "a".repeat(MAX_ENTRY - 26));
    let token = format!(r#""{}""#, "t".repeat(MAX_TOKEN));
    let payload = join_payload(&vec![entry; MAX_CHANGES].join(","), &token);
    let mut socket = Socket::new(Vsn::V2, 0);
    let mut waiting = Vec::new();
    for number in 0..1000 {
        let topic = format!("realtime:{number:0>247}");
        let join = frame(Vsn::V2, [r#""6""#; 2], &topic, "phx_join", &payload);
        for action in socket.receive(&join, number * 100) {
            if let Action::Authorize { channel, .. } = action {
                waiting.push(channel);
            }
        }
        let token = "u".repeat(MAX_TOKEN);
        let change = format!(r#"{{"access_token":"{token}"}}"#);
        let change = frame(Vsn::V2, [r#""6""#; 2], &topic, "access_token", &change);
        socket.receive(&change, number * 100);
        // A host that answers late.
        if waiting.len() == MAX_JOINING {
            for channel in waiting.drain(..) {
                socket.authorized(channel, GRANT);
            }
        }
        assert!(kept(&socket) < 1_200_000, "{}", kept(&socket));
    }
    assert_eq!(socket.channel_count(), MAX_CHANNELS);
}

/// Numbers that look random and are the same each time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("64 bits");
        usize::try_from(self.next() % end).expect("64 bits")
    }

    fn of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len())]
    }
}

/// A value of any kind, as JSON.
fn value(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => "null".to_owned(),
        1 => random.of(&["true", "false"]).to_owned(),
        2 => random.of(&["0", "-1", "6", "1e999", "123456789012345678901234567890"]).to_owned(),
        3 => random.of(&[r#""""#, r#""6""#, r#""*""#, r#""INSERT""#, r#""public""#]).to_owned(),
        4 => format!(r#""jwt{}""#, random.below(3)),
        5 => format!(r#""{}""#, "x".repeat(random.below(6000))),
        6 => {
            let items: Vec<String> =
                (0..random.below(13)).map(|_| value(random, depth - 1)).collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            let names = [
                "config",
                "postgres_changes",
                "access_token",
                "event",
                "schema",
                "table",
                "filter",
            ];
            let members: Vec<String> = (0..random.below(5))
                .map(|_| format!(r#""{}":{}"#, random.of(&names), value(random, depth - 1)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// A frame that is often right. One that is damaged mostly ends the socket.
fn any_frame(random: &mut Random, vsn: Vsn, damaged: bool) -> String {
    let events = [
        "phx_join",
        "phx_join",
        "phx_join",
        "phx_leave",
        "access_token",
        "heartbeat",
        "presence",
        "broadcast",
        "phx_close",
        "",
    ];
    let topic = match random.below(12) {
        0 => "phoenix".to_owned(),
        1 => TOPIC.to_owned(),
        2 => random.of(&["", "realtime:", "room", "realtime"]).to_owned(),
        3 => format!("realtime:{}", "é".repeat(random.below(300))),
        _ => format!("realtime:room-{}", random.below(150)),
    };
    let payload = match random.below(200) {
        0 if damaged => value(random, 4),
        1..=40 => format!(r#"{{"config":{}}}"#, value(random, 3)),
        41..=80 => format!(r#"{{"access_token":{}}}"#, value(random, 1)),
        81..=90 => "{}".to_owned(),
        _ => {
            let entries: Vec<String> = (0..random.below(12))
                .map(|_| match random.below(60) {
                    0 => value(random, 2),
                    _ => ENTRY.replace('*', random.of(&["*", "INSERT", "UPDATE", "DELETE"])),
                })
                .collect();
            let token = if random.below(6) == 0 { value(random, 0) } else { r#""jwt""#.to_owned() };
            join_payload(&entries.join(","), &token)
        }
    };
    let refs = [0; 2].map(|_: u8| match random.below(500) {
        0 if damaged => value(random, 1),
        _ => random.of(&[r#""6""#, r#""7""#, "6", "null"]).to_owned(),
    });
    let event = random.of(&events);
    let mut text = frame(vsn, [&refs[0], &refs[1]], &topic, event, &payload);
    if damaged && random.below(400) == 0 {
        let mut at = random.below(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        match random.below(3) {
            0 => text.truncate(at),
            1 => text.insert_str(at, random.of(&["\"", "[", "}", "\\", "\0", "é", ","])),
            _ => text = text.repeat(2),
        }
    }
    text
}

#[test]
fn no_frames_break_a_socket_or_fill_it() {
    let changes = [row().inserted(AT), row().updated(AT), Change::deleted(55, AT)];
    let (mut joins, mut most, mut closed) = (0, 0, 0);
    for seed in 0..30 {
        let mut random = Random(seed);
        let (vsn, damaged) = (BOTH[random.below(2)], random.below(2) == 0);
        let mut now_ms = 1_780_000_000_000;
        let mut socket = Socket::new(vsn, now_ms);
        // What the host knows: channels that it was asked about, and that are not gone.
        let mut channels: Vec<ChannelId> = Vec::new();
        for _ in 0..2000 {
            let step = i64::try_from(random.below(300)).expect("small");
            now_ms += step;
            let any = channels.get(random.below(channels.len().max(1))).copied();
            let any = any.unwrap_or(ChannelId(7));
            let end = Some(now_ms + 10_000 * step);
            let actions = match random.below(20) {
                0..=10 => socket.receive(&any_frame(&mut random, vsn, damaged), now_ms),
                11..=15 => socket.authorized(any, Ok(Grant { token_ends_ms: end })),
                16 => match random.below(20) {
                    0 => socket.authorized(any, Err(Refusal::unauthorized("x"))),
                    1 => socket.token_refused(any, &Refusal::malformed_token()),
                    2 => socket.token_expired(any),
                    _ => socket.token_ok(any, None),
                },
                17 => socket.token_ok(any, end),
                18 => socket.changed(any, &changes[random.below(3)]),
                _ => socket.tick(now_ms),
            };
            for action in &actions {
                match action {
                    Action::Send(text) => readable(vsn, text),
                    Action::Authorize { channel, .. } => {
                        assert!(!channels.contains(channel));
                        channels.push(*channel);
                        joins += 1;
                    }
                    Action::TokenChanged { channel, .. } => assert!(channels.contains(channel)),
                    Action::Left { channel } => {
                        let at = channels.iter().position(|known| known == channel);
                        channels.swap_remove(at.expect("a channel that is left once"));
                    }
                    Action::Close { .. } => {
                        channels.clear();
                        closed += 1;
                    }
                }
            }
            assert_eq!(socket.channel_count(), channels.len());
            assert!(channels.len() <= MAX_CHANNELS);
            assert!(kept(&socket) < 1_200_000);
            most = most.max(channels.len());
            if actions.iter().any(|action| matches!(action, Action::Close { .. })) {
                socket = Socket::new(vsn, now_ms);
            }
        }
    }
    // The frames were not all nonsense.
    assert!(joins > 2000, "{joins}");
    assert!(most > 60, "{most}");
    assert!(closed > 60, "{closed}");
}

/// A server's frame is what the clients read without looking: its parts and an object as payload.
fn readable(vsn: Vsn, text: &str) {
    let frame: Value = serde_json::from_str(text).expect("JSON");
    let (parts, payload) = match vsn {
        Vsn::V1 => (frame.as_object().map_or(0, Map::len), &frame["payload"]),
        Vsn::V2 => (frame.as_array().map_or(0, Vec::len), &frame[4]),
    };
    assert_eq!(parts, if vsn == Vsn::V1 { 4 } else { 5 }, "{text}");
    assert!(payload.is_object(), "{text}");
}
