package cli

//go:generate go run ../internal/genreadme ../README.md
