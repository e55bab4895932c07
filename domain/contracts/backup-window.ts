/**
 * How long a backup of either trust domain may still hold what has been destroyed: Cloudflare restores a Durable Object to any moment of
 * the last 30 days, Supabase's longest point-in-time recovery is 28 days; the rest is slack for a restore under way.
 */
export const BACKUP_WINDOW_MS = 35 * 24 * 3_600_000
