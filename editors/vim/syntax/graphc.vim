" Made by editors/generate.py from the words of the lexer.
if exists('b:current_syntax')
  finish
endif

syntax match graphcNumber /\<\d[0-9_]*\%(\.\.\@![0-9_]*\)\=\%([eE][+-]\=\d[0-9_]*\)\=\w*/
syntax match graphcNumber /\%(\w\|\.\)\@<!\.\d[0-9_]*\%([eE][+-]\=\d[0-9_]*\)\=\w*/
syntax match graphcNumber /\<0[xXoObB]\w*/
syntax keyword graphcType bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 c64 c128 f8e4m3 f8e5m2
syntax keyword graphcConstant True False None
syntax keyword graphcOperator and is not or
syntax keyword graphcKeyword def as elif else for from if import in pass return while
syntax match graphcKeyword /\<\%(at[ \t]\+most\|multiple[ \t]\+of\)\>/
syntax match graphcKeyword /^\s*\zs\%(const\|dim\|export\|model\|param\|state\|update\)\ze[ \t]\+\%(\%(as\|def\|elif\|else\|False\|for\|from\|if\|import\|in\|None\|pass\|return\|True\|while\|and\|or\|is\|not\)\>\)\@![A-Za-z_]/
syntax match graphcKeyword /[(,]\s*\zsstate\ze[ \t]\+\%(\%(as\|def\|elif\|else\|False\|for\|from\|if\|import\|in\|None\|pass\|return\|True\|while\|and\|or\|is\|not\)\>\)\@![A-Za-z_]/
syntax match graphcReduction /\<\%(sum\|prod\|max\|min\|mean\|any\|all\)\ze\[/
syntax match graphcDecorator /^\s*@\s*\zs\h\w*/
syntax match graphcComment /#.*$/ contains=@Spell
syntax region graphcString start=/\"/ skip=/\\./ end=/\"/ oneline
syntax region graphcString start=/'/ skip=/\\./ end=/'/ oneline
syntax region graphcString start=/"""/ skip=/\\./ end=/"""/ contains=@Spell
syntax region graphcString start=/'''/ skip=/\\./ end=/'''/ contains=@Spell

highlight default link graphcComment Comment
highlight default link graphcConstant Constant
highlight default link graphcDecorator PreProc
highlight default link graphcKeyword Statement
highlight default link graphcNumber Number
highlight default link graphcOperator Operator
highlight default link graphcReduction Function
highlight default link graphcString String
highlight default link graphcType Type

let b:current_syntax = 'graphc'
