import { type ReactNode, useId } from 'react'

/** One task in the middle of the page. */
export function Card({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  const id = useId()
  return (
    <section className="card" aria-labelledby={id}>
      <h1 id={id}>{title}</h1>
      {children}
    </section>
  )
}
