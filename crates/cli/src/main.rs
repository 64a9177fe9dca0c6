//! scratch
use fumehood_sandbox::*;
use fumehood_session::*;
use std::ffi::*;
use std::os::unix::ffi::*;
fn main() {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let host = Host::look().unwrap();
    let room = Room { bytes: 1 << 30, inodes: 1 << 20, mode: 0o755 };
    let cwd = std::env::current_dir().unwrap();
    let project = Project::open(&cwd, &host.user.home).unwrap();
    let mut view = View::system(&host, room);
    view.home(&Home::Throwaway, room);
    view.project(&project);
    let path = std::env::var_os("PATH").unwrap();
    let program = Program::find(&args[0], &path, &cwd, &host.user.home).unwrap();
    for c in &program.closure { view.show(c, Access::ReadOnly).unwrap(); }
    let mut env = Variables::base(|n| std::env::var_os(n), std::iter::empty());
    env.set("PATH", path);
    env.set("HOME", &host.user.home);
    let spec = Spec { level: Level::Namespace, caller: host.caller, inside: host.inside, private: host.private, nested: false, landlock: host.landlock, limits: vec![(libc::RLIMIT_CORE as u32, 0)], placed: false, terminal: [false; 3],
       command: Command { program: CString::new(program.path.as_os_str().as_bytes()).unwrap(), arguments: args.iter().map(|a| CString::new(a.as_bytes()).unwrap()).collect(), environment: env.strings(), directory: CString::new(cwd.as_os_str().as_bytes()).unwrap() },
       view: view.into_entries() };
    if std::env::var_os("PLAN").is_some() { eprintln!("{}", Plan::new(&spec).unwrap()); }
    let o = run(Run { spec, timeout: None });
    match o { Ok(Outcome::Exited(0)) => {}, o => eprintln!("{o:?}") }
}
