"""TcpStream::connect and connect_timeout, one thread each"""

NEEDS = "rustc"
SERVICE = "echo"
BUILD = ["rustc", "-o", "{folder}/client", "{file}"]
COMMAND = ["{folder}/client", "{host}", "{port}", "{count}"]
PRINTS = "it echoes"
SOURCE = (
    "client.rs",
    """
use std::io::{BufRead, BufReader, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

fn talk(target: &str, patient: bool) -> Result<()> {
    let mut stream = if patient {
        TcpStream::connect(target)?
    } else {
        let address = target.to_socket_addrs()?.next().unwrap();
        TcpStream::connect_timeout(&address, Duration::from_secs(20))?
    };
    stream.write_all(b"it echoes\\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    print!("{line}");
    Ok(())
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let target = format!("{}:{}", words[1], words[2]);
    let threads: Vec<_> = (0..words[3].parse().unwrap())
        .map(|i| {
            let target = target.clone();
            std::thread::spawn(move || talk(&target, i % 2 == 0))
        })
        .collect();
    for thread in threads {
        if let Err(error) = thread.join().unwrap() {
            println!("{error}");
            std::process::exit(1);
        }
    }
}
""",
)
