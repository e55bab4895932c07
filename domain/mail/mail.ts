/** Plain text alone: nothing to load, nothing that hides where a link goes. */
export type Mail = { readonly subject: string; readonly text: string }
export type MailLinks = {
  /** The gateway's origin, without a slash at its end. */
  readonly gatewayUrl: string
  /** Where an invitation is accepted; its token is behind the `#`, which a browser keeps to itself. */
  readonly joinUrl: (invitationId: string) => string
}
