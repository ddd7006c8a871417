module fraudops.io/node-helper

go 1.24
