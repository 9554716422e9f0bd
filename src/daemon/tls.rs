//! TLS to checked servers: the only file that names the TLS library. It tells whether a server answers in TLS and carries
//! the conversation; it says nothing about who the server is.

pub use inner::{Client, Session};

#[cfg(feature = "tls")]
mod inner {
    use crate::base::verdict::Reason;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::client::Resumption;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
    use std::io::{self, Read, Write};
    use std::net::IpAddr;
    use std::sync::Arc;

    /// Made at the first use: who has no SSL_GET pays nothing for it.
    #[derive(Default)]
    pub struct Client {
        config: Option<Arc<ClientConfig>>,
    }

    impl Client {
        pub fn session(&mut self, sni: Option<&str>, to: IpAddr) -> Result<Session, Reason> {
            let config = match &self.config {
                Some(config) => config.clone(),
                None => self.config.insert(Arc::new(config().map_err(words)?)).clone(),
            };
            // An address is never sent as a server name.
            let name = match sni {
                Some(name) => ServerName::try_from(name.to_owned())
                    .map_err(|_| Reason::Tls(format!("{name:?} cannot be sent as a server name").into()))?,
                None => ServerName::from(to),
            };
            let tls = ClientConnection::new(config, name).map_err(words)?;
            Ok(Session { tls: Box::new(tls), first: None })
        }
    }

    fn config() -> Result<ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth();
        // Each check is a whole handshake, as a new client's would be, and nothing is remembered for 10,000 servers.
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// Accepts whatever the server shows, without reading it, and any signature made with it: what keepalived does too.
    /// Checks use it to learn whether the service answers; no secret is sent over such a connection.
    #[derive(Debug)]
    struct AnyCertificate;

    impl ServerCertVerifier for AnyCertificate {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        // A signature cannot be checked without reading the certificate, and old ones (X.509 v1) cannot be read.
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            use SignatureScheme::*;
            vec![
                ECDSA_NISTP256_SHA256,
                ECDSA_NISTP384_SHA384,
                ECDSA_NISTP521_SHA512,
                ED25519,
                ED448,
                RSA_PSS_SHA256,
                RSA_PSS_SHA384,
                RSA_PSS_SHA512,
                RSA_PKCS1_SHA256,
                RSA_PKCS1_SHA384,
                RSA_PKCS1_SHA512,
                RSA_PKCS1_SHA1,
                ECDSA_SHA1_Legacy,
            ]
        }
    }

    /// One connection's TLS, over a socket that never blocks.
    pub struct Session {
        tls: Box<ClientConnection>,
        /// The first byte that the server sent: tells TLS from anything else.
        first: Option<u8>,
    }

    impl Session {
        pub fn handshaking(&self) -> bool {
            self.tls.is_handshaking()
        }

        /// Takes what is to be sent; it leaves with `flush`, after the handshake.
        pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.tls.writer().write_all(bytes)
        }

        /// Sends until nothing is left or the socket is full.
        pub fn flush(&mut self, socket: &mut dyn Write) -> io::Result<()> {
            while self.tls.wants_write() {
                match self.tls.write_tls(&mut &mut *socket) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    Err(e) => return Err(e),
                }
            }
            Ok(())
        }

        /// One read from the socket; 0 at its end.
        pub fn receive(&mut self, socket: &mut dyn Read) -> io::Result<usize> {
            let first = &mut self.first;
            self.tls.read_tls(&mut Tap { socket, first })
        }

        /// Works on what was received: at most one step of the handshake's arithmetic.
        pub fn process(&mut self) -> Result<(), Reason> {
            let first = self.first;
            self.tls.process_new_packets().map(drop).map_err(|e| match (&e, first) {
                (Error::InvalidMessage(_), Some(byte)) if byte != ALERT && byte != HANDSHAKE => {
                    Reason::Tls("the server does not speak TLS on this port".into())
                }
                _ => words(e),
            })
        }

        /// Takes decrypted bytes: None when there are no more now, 0 at the end of the stream.
        pub fn plain(&mut self, buffer: &mut [u8]) -> Option<usize> {
            self.tls.reader().read(buffer).ok()
        }

        /// Says good-bye (close_notify), for the sake of the server's log.
        pub fn bye(&mut self, socket: &mut dyn Write) {
            if !self.tls.is_handshaking() {
                self.tls.send_close_notify();
            }
            let _ = self.flush(socket);
        }
    }

    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;

    struct Tap<'a> {
        socket: &'a mut dyn Read,
        first: &'a mut Option<u8>,
    }

    impl Read for Tap<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.socket.read(buffer)?;
            if let (None, 1.., Some(byte)) = (*self.first, n, buffer.first()) {
                *self.first = Some(*byte);
            }
            Ok(n)
        }
    }

    /// The library's words, and what to look for where its own are not enough.
    fn words(e: Error) -> Reason {
        let hint = match &e {
            Error::AlertReceived(AlertDescription::ProtocolVersion)
            | Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
                "; this program speaks TLS 1.2 and 1.3, the server perhaps only 1.0 or 1.1"
            }
            Error::AlertReceived(AlertDescription::HandshakeFailure) => {
                "; the server perhaps offers only RSA key exchange or CBC, which this program does not speak, or wants a server name (enable_sni)"
            }
            Error::AlertReceived(AlertDescription::UnrecognisedName) => "; see enable_sni",
            _ => "",
        };
        Reason::Tls(format!("{e}{hint}").into())
    }
}

#[cfg(not(feature = "tls"))]
mod inner {
    use crate::base::verdict::Reason;
    use std::io::{self, Read, Write};
    use std::net::IpAddr;

    #[derive(Default)]
    pub struct Client {}

    impl Client {
        pub fn session(&mut self, _sni: Option<&str>, _to: IpAddr) -> Result<Session, Reason> {
            Err(Reason::Unsupported("built without tls"))
        }
    }

    /// Cannot be made.
    pub enum Session {}

    impl Session {
        pub fn handshaking(&self) -> bool {
            match *self {}
        }
        pub fn say(&mut self, _: &[u8]) -> io::Result<()> {
            match *self {}
        }
        pub fn flush(&mut self, _: &mut dyn Write) -> io::Result<()> {
            match *self {}
        }
        pub fn receive(&mut self, _: &mut dyn Read) -> io::Result<usize> {
            match *self {}
        }
        pub fn process(&mut self) -> Result<(), Reason> {
            match *self {}
        }
        pub fn plain(&mut self, _: &mut [u8]) -> Option<usize> {
            match *self {}
        }
        pub fn bye(&mut self, _: &mut dyn Write) {
            match *self {}
        }
    }
}
