//! One binary, several names: see `applet`.

fn main() -> std::process::ExitCode {
    holdfast::applet::dispatch(std::env::args_os()).into()
}
