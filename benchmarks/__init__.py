"""Speed, cost and sound quality, each benchmark printing one table."""
