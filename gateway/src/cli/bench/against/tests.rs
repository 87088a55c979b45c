//! With a real PostgreSQL.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use remit_load::{FUNDS, Skew, new_id};

use super::{
    two_phase::{Outcome, Transfer, TwoPhase},
    *,
};

async fn cluster(below: &Path) -> Cluster {
    let programs = programs::find(None, &Places::of_this_process()).await.unwrap();
    Cluster::start(&programs, below, 4).await.unwrap()
}

/// Whoever PostgreSQL runs as must get there.
fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
}

async fn banks(cluster: &Cluster) -> (Payments, Told) {
    let payments = Payments::new(20, 2, 2, Skew::Uniform, Some(100)).unwrap();
    books::found(cluster, &payments, &|_| ()).await.unwrap();
    (payments, Told { accounts: 20, ..Told::default() })
}

/// From the first account in east to the first in west.
fn transfer(payments: &Payments, cents: i64) -> Transfer {
    let first = |bank| (0..20).find(|no| payments.shard_of(*no) == bank).unwrap();
    Transfer { id: new_id(), legs: [(first(0), -cents), (first(1), cents)] }
}

/// Else there would be no transfer between the banks to draw.
#[test]
fn the_fewest_accounts_that_there_can_be_are_in_both_banks() {
    let payments = Payments::new(4, 2, 2, Skew::Uniform, Some(100)).unwrap();
    assert!([0, 1].into_iter().all(|bank| (0..4).any(|no| payments.shard_of(no) == bank)));
}

#[tokio::test]
async fn a_transfer_is_in_both_banks_or_in_none() {
    let cluster = cluster(&env::temp_dir()).await;
    let (payments, mut told) = banks(&cluster).await;
    for form in Form::ALL {
        let client = TwoPhase::connect(&cluster, form).await.unwrap();
        assert_eq!(client.run(&transfer(&payments, 5)).await.unwrap(), Outcome::Completed);
        told.completed += 1;
        told.decided += u64::from(form == Form::Recoverable);
        let too_much = transfer(&payments, FUNDS + 1);
        assert_eq!(client.run(&too_much).await.unwrap(), Outcome::Refused);
        let nobody = Transfer { legs: [too_much.legs[0], (20, 1)], ..transfer(&payments, 1) };
        assert_eq!(client.run(&nobody).await.unwrap(), Outcome::Refused);
        assert_eq!(books::audit(&cluster, told).await.unwrap(), Vec::<String>::new(), "{form:?}");
    }
    cluster.stop().await;
}

/// What neither bank can know to be a deadlock ends all the same, and leaves nothing.
#[tokio::test]
async fn a_transfer_whose_account_stays_locked_is_undone_and_goes_through_later() {
    let cluster = cluster(&env::temp_dir()).await;
    let (payments, mut told) = banks(&cluster).await;
    let [client, other] = [Form::Recoverable; 2].map(|form| TwoPhase::connect(&cluster, form));
    let (client, other) = (client.await.unwrap(), other.await.unwrap());
    let it = transfer(&payments, 5);
    let in_the_way = cluster.connect("west").await.unwrap();
    let lock = format!("BEGIN; SELECT FROM account WHERE id = {} FOR UPDATE", it.legs[1].0);
    in_the_way.batch_execute(&lock).await.unwrap();
    assert_eq!(client.run(&it).await.unwrap(), Outcome::Locked);
    assert_eq!(books::audit(&cluster, told).await.unwrap(), Vec::<String>::new());
    in_the_way.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(other.run(&it).await.unwrap(), Outcome::Completed);
    (told.completed, told.decided) = (1, 1);
    assert_eq!(books::audit(&cluster, told).await.unwrap(), Vec::<String>::new());
    cluster.stop().await;
}

#[tokio::test]
async fn the_audit_sees_what_the_clients_were_not_told() {
    let cluster = cluster(&env::temp_dir()).await;
    let (payments, mut told) = banks(&cluster).await;
    let client = TwoPhase::connect(&cluster, Form::Fastest).await.unwrap();
    let [one, two] = [5, 7].map(|cents| transfer(&payments, cents));
    for it in [&one, &two] {
        assert_eq!(client.run(it).await.unwrap(), Outcome::Completed);
    }
    told.completed = 2;
    let west = cluster.connect("west").await.unwrap();
    west.batch_execute(&format!("UPDATE posting SET amount = amount + 1 WHERE transfer = '{}'", one.id)).await.unwrap();
    west.batch_execute(&format!("UPDATE posting SET amount = amount - 1 WHERE transfer = '{}'", two.id)).await.unwrap();
    let wrong = books::audit(&cluster, told).await.unwrap();
    assert_eq!(wrong, ["postings of other transfers or amounts in one than in the other"]);
    west.batch_execute("UPDATE account SET balance = balance + 1").await.unwrap();
    let wrong = books::audit(&cluster, told).await.unwrap();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn nothing_is_left_of_a_cluster_that_was_stopped() {
    let below = tempfile::tempdir().unwrap();
    open_to_all(below.path());
    let cluster = cluster(below.path()).await;
    let folder = fs::read_dir(below.path()).unwrap().next().unwrap().unwrap().path();
    let said = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let process = Path::new("/proc").join(said.lines().next().unwrap());
    assert!(process.exists());
    cluster.stop().await;
    assert!(!process.exists());
    assert_eq!(fs::read_dir(below.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn one_that_can_not_start_says_why() {
    let below = tempfile::tempdir().unwrap();
    // The path of a socket has 107 bytes at most.
    let deep = below.path().join("x".repeat(100));
    fs::create_dir(&deep).unwrap();
    [below.path(), &deep].map(open_to_all);
    let programs = programs::find(None, &Places::of_this_process()).await.unwrap();
    let refused = Cluster::start(&programs, &deep, 4).await.unwrap_err().to_string();
    assert!(refused.starts_with("postgres ended at its start") && refused.contains("too long"), "{refused}");
    assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
}
