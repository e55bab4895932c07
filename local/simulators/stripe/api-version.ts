export const API_VERSION = '2026-07-29.dahlia'
