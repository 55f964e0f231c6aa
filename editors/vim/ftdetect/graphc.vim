autocmd BufNewFile,BufRead *.gc set filetype=graphc
