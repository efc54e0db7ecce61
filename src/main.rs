//! The thin binary: joins the two front ends; everything else is in the library.

#[cfg(feature = "gui")]
const WINDOW: Option<secondlook::cli::Window> = Some(secondlook::gui::run);
#[cfg(not(feature = "gui"))]
const WINDOW: Option<secondlook::cli::Window> = None;

fn main() -> std::process::ExitCode {
    secondlook::cli::main(WINDOW)
}
