"""Text -> tree, a step a file.

`normalise` brings Unicode and wrappers to plain LaTeX; `tokens` cuts it up; `layout`, with `notation` and `groups`,
undoes what TeX writes in an order of its own; `fold` settles what each token means by its neighbours (`runs`, `labels`,
`wording`, `units` and `numerals` know one kind of them each); `grammar.lark` says what may stand where; `builder`,
`shapes` and `signs` make the tree.
"""
