//! Shapes of credentials, as data.

/// Beginnings of credentials that say only what kind they are: they are kept, because programs look at
/// them before they send anything. The longest that fits counts. Each is in its issuer's documentation.
pub(super) const PREFIXES: &[&str] = &[
    "AGE-SECRET-KEY-1", // age
    "AIza",             // Google API keys
    "AKIA",             // AWS access key ids, long-lived
    "ASIA",             // AWS access key ids, of a session
    "Basic ",
    "Bearer ",
    "GOCSPX-", // Google OAuth client secrets
    "SG.",     // SendGrid
    "dckr_pat_",
    "dop_v1_", // DigitalOcean
    "dp.pt.",  // Doppler
    "github_pat_",
    "ghp_", // GitHub: personal, OAuth, user-to-server, server-to-server, refresh
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "glpat-", // GitLab: personal, CI job, deploy, runner
    "glcbt-",
    "gldt-",
    "glrt-",
    "gsk_", // Groq
    "hf_",  // Hugging Face
    "hvs.", // Vault
    "lin_api_",
    "npm_",
    "ntn_", // Notion
    "phc_",
    "pk_live_", // Stripe
    "pk_test_",
    "pypi-",
    "r8_", // Replicate
    "rk_live_",
    "rk_test_",
    "sk_live_",
    "sk_test_",
    "sk-", // OpenAI, and who follows it
    "sk-ant-",
    "sk-ant-admin01-",
    "sk-ant-api03-",
    "sk-ant-oat01-", // Claude: OAuth access and refresh tokens
    "sk-ant-ort01-",
    "sk-or-v1-",
    "sk-proj-",
    "sk-svcacct-",
    "whsec_",
    "xapp-1-",
    "xoxb-", // Slack
    "xoxp-",
    "ya29.", // Google OAuth access tokens
    "1//",   // Google OAuth refresh tokens
];

/// What a credential's characters are drawn from; the first that holds them all counts. Nothing finer is
/// kept: which characters are digits, say, would tell a quarter of the value.
pub(super) const ALPHABETS: &[&[u8]] = &[
    b"0123456789",
    b"0123456789abcdef",
    b"0123456789ABCDEF",
    b"234567ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    b"0123456789abcdefghijklmnopqrstuvwxyz",
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    // Of any other text: letters and digits need no quotes or escapes anywhere.
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
];
